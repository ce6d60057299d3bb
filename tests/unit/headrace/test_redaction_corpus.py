"""What is personal data or a secret, and what only looks like it."""

from collections import Counter

import pytest

from headrace.redaction import Redactor

REPLACED = [
    # e-mail
    ("write to jane.doe@example.com today", "write to [EMAIL] today"),
    ("<a+tag@sub.example.co.uk>", "<[EMAIL]>"),
    ("mailto:BOB@EXAMPLE.ORG?subject=x", "mailto:[EMAIL]?subject=x"),
    ("jürgen@müller.de", "[EMAIL]"),
    ("url?user=jane%40example.com&x=1", "url?user=[EMAIL]&x=1"),
    ("a@b.xn--p1ai", "[EMAIL]"),
    ("x@example.com,y@example.com", "[EMAIL],[EMAIL]"),
    ("end of sentence: me@example.com.", "end of sentence: [EMAIL]."),
    # phone, international
    ("call +14155552671", "call [PHONE]"),
    ("+1 (415) 555-2671", "[PHONE]"),
    ("+49 30 123456", "[PHONE]"),
    ("+44 20 7946 0958 or", "[PHONE] or"),
    ("+33.1.23.45.67.89", "[PHONE]"),
    ("+49 (0)30 1234567", "[PHONE]"),
    ("0049 30 1234567", "[PHONE]"),
    ("tel:+81-3-1234-5678", "tel:[PHONE]"),
    # phone, national
    ("(415) 555-2671", "[PHONE]"),
    ("415-555-2671.", "[PHONE]."),
    ("415.555.2671", "[PHONE]"),
    ("1-800-555-0199", "[PHONE]"),
    ("020 7946 0958", "[PHONE]"),
    ("07700 900123", "[PHONE]"),
    ("030/1234567", "[PHONE]"),
    ("0171-1234567 at 10:30", "[PHONE] at 10:30"),
    ("0171 1234567 10:30", "[PHONE] 10:30"),
    ("(030) 123456789", "[PHONE]"),
    ("01 23 45 67 89", "[PHONE]"),
    ("Phone: 4155552671", "Phone: [PHONE]"),
    ("mobile number is 01711234567", "mobile number is [PHONE]"),
    # cards
    ("4111111111111111", "[CARD]"),
    ("4111 1111 1111 1111", "[CARD]"),
    ("5500-0055-5555-5559", "[CARD]"),
    ("amex 3782 822463 10005!", "amex [CARD]!"),
    ("card:6011000990139424", "card:[CARD]"),
    ("3530111333300000", "[CARD]"),
    ("2223003122003222", "[CARD]"),
    ("order 123 4111 1111 1111 1111 999", "order 123 [CARD] 999"),
    ("4111111111111111 5500005555555559", "[CARD] [CARD]"),
    ("4111\u00a01111\u00a01111\u00a01111", "[CARD]"),
    ("visa 4222222222222", "visa [CARD]"),
    # addresses
    ("from 192.168.0.1 port 22", "from [IP] port 22"),
    ("10.0.0.0/8", "[IP]/8"),
    ("http://203.0.113.7:8080/x", "http://[IP]:8080/x"),
    ("It was 203.0.113.7.", "It was [IP]."),
    ("2001:db8::8a2e:370:7334", "[IP]"),
    ("[2001:db8::1]:443", "[[IP]]:443"),
    ("fe80::1: unreachable", "[IP]: unreachable"),
    ("::ffff:192.0.2.128", "[IP]"),
    ("2001:0db8:85a3:0000:0000:8a2e:0370:7334", "[IP]"),
    # secrets
    ("sk-abcdefghijklmnop1234", "[SECRET]"),
    ("key sk-ant-api03-AbCdEf_123456789012345", "key [SECRET]"),
    ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[SECRET]"),
    ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz", "[SECRET]"),
    ("AKIAIOSFODNN7EXAMPLE", "[SECRET]"),
    ("xoxb-123456789012-abcdefghijkl", "[SECRET]"),
    ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[SECRET]"),
    ("glpat-abcdefghij0123456789", "[SECRET]"),
    ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "[SECRET]"),
    ("sk_live_abcdefghijklmnop", "[SECRET]"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "[SECRET]"),
    ("Authorization: Bearer abc123.def-456", "Authorization: Bearer [SECRET]"),
    ("curl -H 'authorization: basic dXNlcjpwYXNzd29yZA=='", "curl -H 'authorization: basic [SECRET]'"),
    ("password=hunter2&user=x", "password=[SECRET]&user=x"),
    ("DB_PASSWORD: s3cr3t", "DB_PASSWORD: [SECRET]"),
    ('{"api_key": "abc def"}', '{"api_key": "[SECRET]"}'),
    ('{\\"apiKey\\": \\"abc\\"}', '{\\"apiKey\\": \\"[SECRET]\\"}'),
    ("client_secret='x,y'", "client_secret='[SECRET]'"),
    ("token = 0123456789abcdef0123", "token = [SECRET]"),
    ("postgres://app:pa55@db.example.com/x", "postgres://app:[SECRET]@db.example.com/x"),
    ("redis://:p@ss@cache:6379", "redis://:[SECRET]@cache:6379"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow==\n-----END RSA PRIVATE KEY-----\nbye", "[SECRET]\nbye"),
    ("-----BEGIN PRIVATE KEY-----\\nMIIEow\\n-----END PRIVATE KEY-----", "[SECRET]"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkt", "[SECRET]"),
]

KEPT = [
    # dates, times, numbers
    "2025-11-04",
    "2025-11-04T12:00:00.123Z",
    "2025-11-04 12:00:00+02:00",
    "04.11.2025 12:00",
    "04/11/2025",
    "12:30:45",
    "12:30:45.123456",
    "1699564800000",
    "1699564800",
    "20251104120000",
    "3.14159265358979",
    "0.4111111111111111",
    "1 234 567,89",
    "01 02 03 04 05 06 07",
    "$4,155,552,671",
    # identifiers
    "7f3c0a52-8f0e-4d55-9df3-0c1f0b1d2a11",
    "12345678-1234-4111-8111-123456789012",
    "d41d8cd98f00b204e9800998ecf8427e",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "id 4155552671",
    "ORD-0123-456789",
    "req-1",
    "4111111111111112",
    "9999999999999999",
    "12345678901234567890123",
    "00:1A:2B:3C:4D:5E",
    "ISBN 978-3-16-148410-0",
    # versions and code
    "1.2.3",
    "v1.2.3.4",
    "version 1.2.3.4",
    "300.1.2.3",
    "1.2.3.4.5",
    "std::vector<int>",
    "a::b",
    "::",
    "@app.route('/')",
    "@scope/package@1.2.3",
    "icon@2x.png",
    "user at example dot com",
    "sk-learn-like-names-are-long",
    "risk-abcdefghijklmnop1234",
    "hf_short",
    "max_tokens=4096, token: 5",
    "JWT token generation, password hashing with bcrypt, session management",
    "Bearer authentication",
    "Basic authorization flows",
    "secret: the sauce",
    "https://example.com:8080/path@v2",
    "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
    "",
]


@pytest.mark.parametrize(("text", "expected"), REPLACED)
def test_personal_data_and_secrets_are_replaced(text: str, expected: str) -> None:
    counts: Counter[str] = Counter()
    assert Redactor().text(text, counts) == expected
    assert counts.total() == sum(
        expected.count(marker) for marker in ("[EMAIL]", "[PHONE]", "[CARD]", "[IP]", "[SECRET]")
    )


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_it_is_kept(text: str) -> None:
    counts: Counter[str] = Counter()
    assert Redactor().text(text, counts) == text
    assert not counts


@pytest.mark.parametrize(("text", "expected"), REPLACED)
def test_a_replacement_is_left_alone(text: str, expected: str) -> None:
    counts: Counter[str] = Counter()
    assert Redactor().text(expected, counts) == expected
    assert not counts, text
