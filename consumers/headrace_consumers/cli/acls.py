"""`headrace acls show|apply|check|remove`: who may do what on the broker, and by which password."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from headrace_consumers.cli.options import AsJson, ConfigPath, LogFormat, LogFormatOption, LogLevel, LogLevelOption
from headrace_consumers.cli.present import print_json, print_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.config import Config
    from headrace_consumers.acls import Authority, Finding, Role

__all__ = ["RoleName", "app"]

app = typer.Typer(help="Give each program its rights on the broker, and check them.", rich_markup_mode=None)


class RoleName(StrEnum):
    """The roles, as `headrace_consumers.acls.Role` has them, which is imported late."""

    producer = "producer"
    dataset = "dataset"
    metrics = "metrics"
    rollout = "rollout"
    operator = "operator"


OneRole: TypeAlias = Annotated[
    RoleName | None, typer.Option("--role", show_default="all of them", help="Only this role.")
]
User: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--user",
        metavar="NAME",
        show_default="headrace-ROLE",
        help="Who has the role; with --role. By certificate: its subject, e.g. CN=service.",
    ),
]


@app.command(epilog="Example: headrace acls show --role dataset --config headrace.json")
def show(*, role: OneRole = None, user: User = None, config_path: ConfigPath = None, as_json: AsJson = False) -> None:
    """Show what each role needs, by the names in the configuration. No broker is asked."""
    from headrace.config import load
    from headrace_consumers.acls import principal_of, rights_of

    config = load(config_path)
    wanted = {(each, principal_of(name)): sorted(rights_of(each, config)) for each, name in _users(role, user)}
    if as_json:
        print_json(
            [
                {"role": each.value, "principal": principal, "rights": [right.as_dict() for right in rights]}
                for (each, principal), rights in wanted.items()
            ]
        )
        return
    for (each, principal), rights in wanted.items():
        print_lines([f"{each.value} ({principal})", *(f"  {right}" for right in rights)])


@app.command(epilog="Example: headrace acls apply --role dataset --passwords secrets --config administrator.json")
def apply(
    *,
    role: OneRole = None,
    user: User = None,
    passwords: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", show_default=False, help="Give each user the password in ROLE.password there (SCRAM)."
        ),
    ] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Take away what a user has beyond its role.")] = False,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.warning,
) -> None:
    """Give the roles the rights that they lack, and passwords. What else a user may do is told, and left as it is."""
    from headrace_consumers import logs
    from headrace_consumers.acls import principal_of, rights_of

    logs.configure(log_format.value, log_level.value)
    users = _users(role, user)
    secrets = (
        {} if passwords is None else {name: _password(passwords / f"{each.value}.password") for each, name in users}
    )
    config, authority = _connect(config_path)
    done: list[dict[str, object]] = []
    lines: list[str] = []
    for each, name in users:
        principal, wanted = principal_of(name), rights_of(each, config)
        held = authority.held(principal)
        taken = held - wanted if exact else frozenset()
        authority.allow(principal, wanted - held)
        authority.take(principal, taken)
        if name in secrets:
            authority.set_password(name, secrets[name])
        done.append(
            {
                "role": each.value,
                "principal": principal,
                "given": [right.as_dict() for right in sorted(wanted - held)],
                "taken": [right.as_dict() for right in sorted(taken)],
                "password_set": name in secrets,
            }
        )
        lines += [f"{principal}: given {right}" for right in sorted(wanted - held)]
        lines += [f"{principal}: taken {right}" for right in sorted(taken)]
        lines += [f"{principal}: the password of {passwords}/{each.value}.password"] if name in secrets else []
    findings = _findings(config, authority, users)
    if as_json:
        print_json({"applied": done, "findings": [finding.as_dict() for finding in findings]})
    else:
        print_lines(lines or ["nothing to do: every right is there"])
        print_lines(_line(finding) for finding in findings)
    if findings:
        raise typer.Exit(1)


@app.command(epilog="Example: headrace acls check --config administrator.json")
def check(
    *,
    role: OneRole = None,
    user: User = None,
    config_path: ConfigPath = None,
    as_json: AsJson = False,
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.warning,
) -> None:
    """Check that each role can do its work and nothing else."""
    from headrace_consumers import logs
    from headrace_consumers.acls import principal_of

    logs.configure(log_format.value, log_level.value)
    users = _users(role, user)
    config, authority = _connect(config_path)
    findings = _findings(config, authority, users)
    without = [name for _, name in users if not authority.has_password(name)]
    if as_json:
        print_json(
            {"ok": not findings, "findings": [finding.as_dict() for finding in findings], "without_password": without}
        )
    else:
        wrong = {finding.principal for finding in findings}
        print_lines(f"{principal_of(name)}: ok" for _, name in users if principal_of(name) not in wrong)
        print_lines(_line(finding) for finding in findings)
        print_lines(
            f"{principal_of(name)}: note: has no SCRAM password, so it comes otherwise or not" for name in without
        )
    if findings:
        raise typer.Exit(1)


@app.command(epilog="Example: headrace acls remove --user headrace-producer-2 --config administrator.json")
def remove(
    *,
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Whose rights and password.")],
    config_path: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Take all rights of a user, and its SCRAM password: what is still connected can do nothing more."""
    from headrace_consumers.acls import principal_of

    _, authority = _connect(config_path)
    principal = principal_of(user)
    held = sorted(authority.held(principal))
    had_password = authority.has_password(user)
    authority.take(principal, held)
    authority.take_password(user)
    if as_json:
        print_json({"principal": principal, "taken": [each.as_dict() for each in held], "password_taken": had_password})
        return
    print_lines(f"{principal}: taken {right}" for right in held)
    print_lines([f"{principal}: {'its password is taken' if had_password else 'it had no SCRAM password'}"])


def _users(role: RoleName | None, user: str | None) -> "list[tuple[Role, str]]":
    from headrace.errors import UsageError
    from headrace_consumers.acls import Role, user_of

    if role is None and user is not None:
        raise UsageError("--user: whose role? Give --role, too")
    chosen = [Role(role.value)] if role is not None else list(Role)
    return [(each, user or user_of(each)) for each in chosen]


def _connect(config_path: ConfigPath) -> "tuple[Config, Authority]":
    from headrace.config import load
    from headrace_consumers.acls import Authority

    config = load(config_path)
    return config, Authority(config)


def _password(path: Path) -> str:
    from headrace.errors import UsageError

    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"--passwords: cannot read {path} ({why}); make one: openssl rand -hex 24") from None
    if not text:
        raise UsageError(f"--passwords: {path} is empty; make one: openssl rand -hex 24")
    return text


def _findings(config: "Config", authority: "Authority", users: "Sequence[tuple[Role, str]]") -> "list[Finding]":
    from headrace_consumers.acls import EVERYBODY, compare, principal_of, rights_of

    everybody = authority.held(EVERYBODY)
    found = [
        finding
        for role, user in users
        for finding in compare(
            role, principal_of(user), rights_of(role, config), authority.held(principal_of(user)), everybody
        )
    ]
    return list(dict.fromkeys(found))  # what everybody has is found for each


def _line(finding: "Finding") -> str:
    return f"{finding.principal}: {finding.what}; to change it: {finding.mend}"
