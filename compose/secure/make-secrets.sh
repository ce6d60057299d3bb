#!/usr/bin/env bash
# Makes the certificates, passwords and tokens of the secured stack that are not there yet: make-secrets.sh [FOLDER]
#
# To replace one, delete its file and run this again; what else has to follow: docs/security.md, "To rotate".
# The folder (compose/secure/secrets by default) is its owner's only. Keep ca.key somewhere else, or delete it: who has
# it can be anybody. Needs openssl, and htpasswd or perl.
#
#   HEADRACE_KAFKA_NAMES   further names of the broker, e.g. DNS:kafka.example.com,IP:192.0.2.7
#   HEADRACE_WEB_NAMES     ... of the web ports
#   HEADRACE_DAYS          how long a certificate is valid; 397 by default, the authority ten years
set -euo pipefail
umask 077
folder=${1:-$(dirname "$(readlink -f "$0")")/secrets}
days=${HEADRACE_DAYS:-397}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
cd "$folder"

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>"$work/said" || fail; }
fail() { cat "$work/said" >&2; exit 1; }
place() { chmod 644 "$1" && mv "$1" "$2" && echo "made $folder/$2"; } # whole or not at all
secret() { [[ -e $1 ]] || { openssl rand -hex 24 >"$work/secret" && place "$work/secret" "$1"; }; }

# certificate FILE NAME USE ALTERNATIVE-NAMES: FILE.pem is the certificate, FILE.key its private key
certificate() {
  [[ ! -e $1.pem || ! -e $1.key ]] || return 0
  [[ -e ca.key ]] || { echo "$folder/ca.key: not here, so it cannot sign $1.pem; bring it back" >&2; exit 1; }
  key "$work/new.key"
  {
    openssl req -new -key "$work/new.key" -subj "/CN=$2" -out "$work/new.csr"
    printf '%s\n' "basicConstraints=critical,CA:false" "keyUsage=critical,digitalSignature" "extendedKeyUsage=$3" \
      "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" ${4:+"subjectAltName=$4"} >"$work/extensions"
    openssl x509 -req -in "$work/new.csr" -CA ca.pem -CAkey ca.key -days "$days" -sha256 \
      -set_serial "0x$(openssl rand -hex 16 | sed 's/^./4/')" -extfile "$work/extensions" -out "$work/new.pem"
  } 2>"$work/said" || fail
  place "$work/new.key" "$1.key"
  place "$work/new.pem" "$1.pem"
}

if [[ ! -e ca.pem ]]; then
  key "$work/ca.key"
  openssl req -x509 -new -key "$work/ca.key" -subj "/CN=Headrace stack" -days 3650 -sha256 -out "$work/ca.pem" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" 2>"$work/said" || fail
  mv "$work/ca.key" ca.key
  place "$work/ca.pem" ca.pem
fi
certificate kafka headrace-kafka serverAuth,clientAuth \
  "DNS:kafka,DNS:localhost,IP:127.0.0.1${HEADRACE_KAFKA_NAMES:+,$HEADRACE_KAFKA_NAMES}"
certificate admin headrace-admin clientAuth ""
certificate web headrace-web serverAuth "DNS:dataset,DNS:feedback,DNS:metrics,DNS:rollout,DNS:prometheus,\
DNS:alertmanager,DNS:grafana,DNS:localhost,IP:127.0.0.1${HEADRACE_WEB_NAMES:+,$HEADRACE_WEB_NAMES}"
# Kafka wants key and certificate in one file.
if [[ ! -e kafka-keystore.pem || kafka.pem -nt kafka-keystore.pem ]]; then
  cat kafka.key kafka.pem >"$work/keystore"
  place "$work/keystore" kafka-keystore.pem
fi

for role in producer dataset metrics rollout operator; do secret "$role.password"; done
secret web.token
# What the pages admit may be several lines, while one takes another's place; Prometheus sends one.
[[ -e prometheus.token ]] || { tail -n 1 web.token >"$work/sent" && place "$work/sent" prometheus.token; }
secret prometheus.password
secret grafana.password
if [[ ! -e prometheus-web.yml || prometheus.password -nt prometheus-web.yml ]]; then
  if command -v htpasswd >/dev/null; then
    hash=$(htpasswd -niBC 10 headrace <prometheus.password | cut -d: -f2 | head -n 1)
  else # Perl's crypt is the system's
    # shellcheck disable=SC2016  # Perl's variables
    hash=$(openssl rand 16 | perl -e 'open(F, "<", $ARGV[0]); chomp($p = <F>); read(STDIN, $b, 16);
      $s = join("", map { ("a".."z", "A".."Z", "0".."9")[ord($_) % 62] } split(//, $b)) . "aaaaae";
      print crypt($p, "\$2b\$10\$$s") // ""' prometheus.password)
  fi
  [[ $hash == '$2'* ]] || { echo "no bcrypt here: install htpasswd (Debian: apache2-utils)" >&2; exit 1; }
  {
    echo "tls_server_config: {cert_file: web.pem, key_file: web.key, min_version: TLS12}"
    echo "basic_auth_users: {headrace: '$hash'}"
  } >"$work/web.yml"
  place "$work/web.yml" prometheus-web.yml
fi
