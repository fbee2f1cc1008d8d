from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import URL, make_url

from alembic_assay.config import bind_config, configured_url, load_config, make_config
from alembic_assay.config_files import find_config_file, read_toml
from alembic_assay.exceptions import AssayError, ConfigError, UsageError
from alembic_assay.history import RevisionGraph
from alembic_assay.urls import mask, parse_url

URL_TEXT = "postgresql+psycopg://app:secret@db.example/shop"

PASSWORDS = [
    "plain",
    "p@ss",
    "a:b:c",
    "50%",
    "%(here)s",
    "%%",
    "%40",
    "one two ",
    "slash/and?query=1#end",
    "pässwörd-密码-🔑",
    "q'uo\"te;`$HOME`",
    "[v6]&+=\\",
]

HELP_FOR_URL = (
    "the database URL cannot be read\n"
    "  It is not printed here, as it may hold a password.\n"
    '  help: write it as "dialect://user:password@host/database", special characters in the'
    " password %-encoded, such as postgresql://app:p%40ss@localhost/shop."
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


@pytest.fixture
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is empty; ``ALEMBIC_CONFIG`` is not set."""
    monkeypatch.delenv("ALEMBIC_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def url_in(config: Config) -> URL:
    """Read the URL as env.py files do: both ways must say the same."""
    text = config.get_main_option("sqlalchemy.url")
    section = config.get_section(config.config_ini_section)
    assert text is not None
    assert section is not None
    assert section["sqlalchemy.url"] == text
    return make_url(text)


def everything_said(error: BaseException) -> str:
    """Return the text and arguments of an error and of all that it is chained to."""
    said, seen = "", set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            said += f"{one}\n{one!r}\n{one.args}\n"
            waiting += [one.__cause__, one.__context__]
    return said


# The sources


def test_make_config_with_ini_takes_its_settings_and_our_url(in_tmp_path: Path) -> None:
    ini = write(
        in_tmp_path / "alembic.ini",
        """
        [alembic]
        script_location = %(here)s/migrations
        version_table = versions
        sqlalchemy.url = driver://user:pass@localhost/dbname
        """,
    )

    config = make_config(URL_TEXT, config_file=ini)

    assert config.get_main_option("script_location") == f"{in_tmp_path}/migrations"
    assert config.get_main_option("version_table") == "versions"
    assert url_in(config) == make_url(URL_TEXT)


def test_make_config_with_pyproject_takes_its_table_and_our_url(in_tmp_path: Path) -> None:
    toml = write(
        in_tmp_path / "pyproject.toml",
        """
        [tool.alembic]
        script_location = "%(here)s/migrations"
        file_template = "%%(rev)s"
        """,
    )

    config = make_config(URL_TEXT, config_file=toml)

    assert config.get_alembic_option("script_location") == f"{in_tmp_path}/migrations"
    assert config.get_alembic_option("file_template") == "%(rev)s"
    assert url_in(config) == make_url(URL_TEXT)


def test_make_config_with_ini_beside_pyproject_takes_settings_of_both(in_tmp_path: Path) -> None:
    write(in_tmp_path / "pyproject.toml", '[tool.alembic]\nscript_location = "%(here)s/scripts"\n')
    ini = write(in_tmp_path / "alembic.ini", "[alembic]\nversion_table = versions\n")

    config = make_config(URL_TEXT, config_file=ini)

    assert config.get_alembic_option("script_location") == f"{in_tmp_path}/scripts"
    assert config.get_alembic_option("version_table") == "versions"


def test_make_config_with_script_location_of_a_package_reads_no_file(in_tmp_path: Path) -> None:
    write(in_tmp_path / "alembic.ini", "[alembic]\nversion_table = versions\n")

    config = make_config(URL_TEXT, script_location="shop.db:migrations")

    assert config.config_file_name is None
    assert config.get_alembic_option("script_location") == "shop.db:migrations"
    assert config.get_main_option("version_table") is None


def test_make_config_with_script_location_of_a_package_finds_its_history(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(in_tmp_path / "warehouse_pkg" / "__init__.py", "")
    write(in_tmp_path / "warehouse_pkg" / "scripts" / "env.py", "")
    write(
        in_tmp_path / "warehouse_pkg" / "scripts" / "versions" / "a1.py",
        'revision = "a1"\ndown_revision = None\n',
    )
    monkeypatch.syspath_prepend(in_tmp_path)

    config = make_config("sqlite://", script_location="warehouse_pkg:scripts")

    assert RevisionGraph.from_config(config).heads == ("a1",)


def test_make_config_with_percent_in_script_location_keeps_it(in_tmp_path: Path) -> None:
    location = str(in_tmp_path / "100%(here)s")

    config = make_config("sqlite://", script_location=location)

    assert config.get_alembic_option("script_location") == location


def test_make_config_with_script_location_and_file_overrides_that_of_the_file(
    in_tmp_path: Path,
) -> None:
    ini = write(
        in_tmp_path / "alembic.ini", "[alembic]\nscript_location = old\nversion_table = versions\n"
    )

    config = make_config("sqlite://", config_file=ini, script_location="/srv/new")

    assert config.get_alembic_option("script_location") == "/srv/new"
    assert config.get_main_option("version_table") == "versions"


def test_make_config_with_section_reads_and_sets_only_that_section(in_tmp_path: Path) -> None:
    ini = write(
        in_tmp_path / "alembic.ini",
        """
        [alembic]
        script_location = /srv/main
        sqlalchemy.url = sqlite:///main.db

        [audit]
        script_location = /srv/audit
        """,
    )

    config = make_config(URL_TEXT, config_file=ini, section="audit")

    assert config.config_ini_section == "audit"
    assert config.get_main_option("script_location") == "/srv/audit"
    assert url_in(config) == make_url(URL_TEXT)
    assert config.get_section_option("alembic", "sqlalchemy.url") == "sqlite:///main.db"


def test_make_config_with_x_arguments_shows_them_to_env_py(
    project_files: Any, tmp_path: Path
) -> None:
    project_files.write_env(
        "from pathlib import Path\n"
        "from alembic import context\n"
        "said = context.get_x_argument(as_dictionary=True)\n"
        f"Path({str(tmp_path / 'said')!r}).write_text(repr(sorted(said.items())))\n"
    )

    command.current(
        make_config("sqlite://", config_file=project_files.ini, x_arguments=["tenant=one", "dry"])
    )

    assert (tmp_path / "said").read_text() == "[('dry', ''), ('tenant', 'one')]"


def test_make_config_without_x_arguments_shows_none_to_env_py(
    project_files: Any, tmp_path: Path
) -> None:
    project_files.write_env(
        "from pathlib import Path\n"
        "from alembic import context\n"
        f"Path({str(tmp_path / 'said')!r}).write_text(repr(context.get_x_argument()))\n"
    )

    command.current(make_config("sqlite://", config_file=project_files.ini))

    assert (tmp_path / "said").read_text() == "[]"


@pytest.mark.parametrize("name", ["alembic.ini", "pyproject.toml"])
def test_make_config_with_relative_script_location_works_from_another_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project 100%"
    write(project / "db" / "env.py", "")
    text = {
        "alembic.ini": "[alembic]\nscript_location = db\n",
        "pyproject.toml": '[tool.alembic]\nscript_location = "db"\n',
    }[name]
    file = write(project / name, text)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    config = make_config("sqlite://", config_file=file)

    assert config.get_alembic_option("script_location") == str(project / "db")
    assert RevisionGraph.from_config(config).heads == ()


def test_make_config_with_relative_config_file_anchors_script_location(in_tmp_path: Path) -> None:
    write(in_tmp_path / "shop" / "db" / "env.py", "")
    write(in_tmp_path / "shop" / "alembic.ini", "[alembic]\nscript_location = db\n")

    config = make_config("sqlite://", config_file="shop/alembic.ini")

    assert config.get_alembic_option("script_location") == str(in_tmp_path / "shop" / "db")


def test_make_config_with_script_location_not_beside_the_file_leaves_it_to_the_working_directory(
    in_tmp_path: Path,
) -> None:
    write(in_tmp_path / "migrations" / "env.py", "")
    ini = write(in_tmp_path / "etc" / "alembic.ini", "[alembic]\nscript_location = migrations\n")

    config = make_config("sqlite://", config_file=ini)

    assert config.get_alembic_option("script_location") == "migrations"
    assert RevisionGraph.from_config(config).heads == ()


# URLs


@pytest.mark.parametrize("password", PASSWORDS)
def test_make_config_with_nasty_password_keeps_it(password: str) -> None:
    url = URL.create("postgresql", "us%er@x", password, "db.example", 5432, "shop")

    config = make_config(url, script_location="migrations")

    assert url_in(config) == url
    assert url_in(config).password == password


@pytest.mark.parametrize("password", PASSWORDS)
def test_make_config_with_nasty_password_in_text_keeps_it(password: str) -> None:
    url = URL.create("postgresql", "app", password, "db.example", 5432, "shop")

    config = make_config(url.render_as_string(hide_password=False), script_location="migrations")

    assert url_in(config).password == password


@pytest.mark.parametrize(
    "text",
    ["sqlite+aiosqlite:///app.db", "postgresql+asyncpg://app:secret@h/shop?ssl=require"],
)
def test_make_config_with_async_url_keeps_its_driver(text: str) -> None:
    config = make_config(text, script_location="migrations")

    assert config.get_main_option("sqlalchemy.url") == text


@pytest.mark.parametrize(
    "text",
    [
        "postgres//app:hunter2@localhost/shop",
        "postgresql://app:hunter2@localhost:port/shop",
        "hunter2",
        "",
    ],
)
def test_make_config_with_something_else_than_a_url_raises_usage_error_without_its_text(
    text: str,
) -> None:
    with pytest.raises(UsageError) as caught:
        make_config(text, script_location="migrations")

    assert str(caught.value) == HELP_FOR_URL
    assert "hunter2" not in everything_said(caught.value)


def test_parse_url_with_url_returns_it() -> None:
    url = make_url(URL_TEXT)

    assert parse_url(url) == url


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("", None),
        ("driver://user:pass@localhost/dbname", None),
        ("not a url", None),
        ("postgresql://localhost:port/shop", None),
        ("%%(env:DATABASE_URL)s", None),
        ("%(DATABASE_URL)s", None),
        ("sqlite:///app.db", "sqlite"),
        ("postgresql+asyncpg://app:p%%40ss@h/shop", "postgresql"),
        ("postgresql://app:p%40ss@h/shop", "postgresql"),
        ("postgresql://%(DB_USER)s:%(DB_PASSWORD)s@%(DB_HOST)s/shop", "postgresql"),
    ],
)
def test_configured_url_of_a_file_tells_the_dialect_where_it_can(
    configured: str, expected: str | None, in_tmp_path: Path
) -> None:
    ini = write(in_tmp_path / "alembic.ini", f"[alembic]\nsqlalchemy.url = {configured}\n")

    url = configured_url(load_config(ini))

    assert (url and url.get_backend_name()) == expected


def test_configured_url_without_one_is_none(in_tmp_path: Path) -> None:
    toml = write(in_tmp_path / "pyproject.toml", '[tool.alembic]\nscript_location = "db"\n')

    assert configured_url(load_config(toml)) is None


# bind_config


def test_bind_config_leaves_the_original_untouched(in_tmp_path: Path) -> None:
    ini = write(
        in_tmp_path / "alembic.ini",
        "[alembic]\nscript_location = /srv/db\nsqlalchemy.url = sqlite:///own.db\n",
    )
    original = Config(ini)
    original.attributes["tenant"] = "one"

    bound = bind_config(original, make_url("postgresql://app:p%40ss%25@h/shop"))
    bound.attributes["connection"] = "ours"
    bound.set_main_option("version_table", "versions")

    assert url_in(bound).password == "p@ss%"
    assert bound.get_main_option("script_location") == "/srv/db"
    assert bound.attributes == {"tenant": "one", "connection": "ours"}
    assert url_in(original) == make_url("sqlite:///own.db")
    assert original.attributes == {"tenant": "one"}
    assert original.get_main_option("version_table") is None


def test_bind_config_of_a_config_in_memory_keeps_section_and_x_arguments() -> None:
    original = make_config(
        "sqlite://", script_location="db", section="audit", x_arguments=["tenant=one"]
    )

    bound = bind_config(original, make_url(URL_TEXT))

    assert bound.config_ini_section == "audit"
    assert bound.cmd_opts is not None
    assert bound.cmd_opts.x == ["tenant=one"]
    assert url_in(bound) == make_url(URL_TEXT)
    assert url_in(original) == make_url("sqlite://")


# Finding the file


def test_find_config_file_with_ini_and_pyproject_prefers_the_ini(in_tmp_path: Path) -> None:
    ini = write(in_tmp_path / "alembic.ini", "[alembic]\n")
    write(in_tmp_path / "pyproject.toml", "[tool.alembic]\n")

    assert find_config_file(in_tmp_path) == ini


def test_find_config_file_with_table_in_pyproject_returns_that(in_tmp_path: Path) -> None:
    toml = write(in_tmp_path / "pyproject.toml", "[tool.alembic]\n")

    assert find_config_file(in_tmp_path) == toml


@pytest.mark.parametrize("absolute", [False, True])
def test_make_config_with_alembic_config_set_reads_that_file(
    in_tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, absolute: bool
) -> None:
    write(in_tmp_path / "alembic.ini", "[alembic]\nscript_location = /srv/wrong\n")
    named = write(in_tmp_path / "etc" / "db.ini", "[alembic]\nscript_location = /srv/right\n")
    monkeypatch.setenv("ALEMBIC_CONFIG", str(named) if absolute else "etc/db.ini")

    config = make_config("sqlite://")

    assert config.get_main_option("script_location") == "/srv/right"


def test_make_config_without_any_file_says_what_was_looked_for(in_tmp_path: Path) -> None:
    write(in_tmp_path / "pyproject.toml", "[tool.black]\n")

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://")

    assert str(caught.value) == (
        f"there is no alembic.ini, and no pyproject.toml with [tool.alembic], in {in_tmp_path}\n"
        "  Without one the migrations cannot be found.\n"
        "  help: start in the folder that holds it, or name it: -c path/to/alembic.ini"
    )


def test_make_config_with_missing_file_says_so(in_tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=in_tmp_path / "no.ini")

    assert str(caught.value) == (
        f"{in_tmp_path}/no.ini does not exist\n"
        "  The migrations cannot be found without it.\n"
        "  help: name the file that holds Alembic's settings: -c path/to/alembic.ini"
    )


def test_make_config_with_missing_section_names_those_there_are(in_tmp_path: Path) -> None:
    ini = write(in_tmp_path / "alembic.ini", "[alembic]\n[loggers]\nkeys = root\n")

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=ini, section="audit")

    assert str(caught.value) == (
        f"{ini} has no section [audit]\n"
        "  Its sections are: [alembic], [loggers].\n"
        "  help: name the section of the migrations: -n NAME"
    )


def test_make_config_with_pyproject_without_table_says_what_to_add(in_tmp_path: Path) -> None:
    toml = write(in_tmp_path / "pyproject.toml", "[tool.black]\n")

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=toml)

    assert str(caught.value) == (
        f"{toml} has no table [tool.alembic]\n"
        '  help: add one: [tool.alembic] with script_location = "%(here)s/migrations"'
    )


def test_make_config_with_section_without_script_location_says_what_to_add(
    in_tmp_path: Path,
) -> None:
    ini = write(in_tmp_path / "alembic.ini", "[alembic]\nscript_locations = db\n")

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=ini)

    assert str(caught.value) == (
        f"{ini} has no script_location in its section [alembic]\n"
        "  Alembic cannot find the migrations.\n"
        "  help: add script_location = migrations, the folder that holds env.py, or name another"
        " section (-n NAME)."
    )


def test_make_config_with_table_without_script_location_says_what_to_add(
    in_tmp_path: Path,
) -> None:
    toml = write(in_tmp_path / "pyproject.toml", '[tool.alembic]\nscript_locations = "db"\n')

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=toml)

    assert str(caught.value) == (
        f"{toml} has no script_location in [tool.alembic]\n"
        "  Alembic cannot find the migrations.\n"
        '  help: add script_location = "migrations", the folder that holds env.py.'
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("url = postgresql://a:hunter2@h/d\n", "MissingSectionHeaderError in line 1"),
        ("[alembic]\nhunter2\n", "ParsingError in line 2"),
        ("[alembic]\na = hunter2\na = hunter2\n", "DuplicateOptionError in line 3"),
        ("[alembic]\n[hunter]\n[alembic]\n", "DuplicateSectionError in line 3"),
    ],
)
def test_make_config_with_broken_ini_names_the_line_and_does_not_quote_it(
    text: str, problem: str, in_tmp_path: Path
) -> None:
    ini = write(in_tmp_path / "alembic.ini", text)

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=ini)

    assert str(caught.value) == f"{ini} cannot be read: {problem}"
    assert "hunter2" not in everything_said(caught.value)


def test_make_config_with_ini_in_another_encoding_says_so(in_tmp_path: Path) -> None:
    ini = in_tmp_path / "alembic.ini"
    ini.write_bytes("[alembic]\n# schöne Grüße\n".encode("latin-1"))

    with pytest.raises(ConfigError) as caught:
        make_config("sqlite://", config_file=ini)

    assert str(caught.value) == (
        f"{ini} cannot be read: UnicodeDecodeError, it is not written in utf-8"
    )


@pytest.mark.parametrize("content", [b"[tool.alembic\n", b'a = "\xff"\n'])
def test_read_toml_with_broken_file_names_it(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(content)

    with pytest.raises(ConfigError, match=r"^.*pyproject\.toml cannot be read: ") as caught:
        read_toml(path)

    assert str(path) in caught.value.message
    assert isinstance(caught.value.__cause__, ValueError)


def test_every_config_error_is_a_usage_error() -> None:
    assert issubclass(ConfigError, UsageError)
    assert issubclass(UsageError, AssayError)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:s3cret@localhost/shop",
        "postgresql://localhost/shop?user=app&password=s3cret",
        "postgresql://localhost/shop?sslpassword=s3cret",
    ],
)
def test_mask_hides_a_password_wherever_it_stands(text: str) -> None:
    shown = mask(make_url(text))

    assert "s3cret" not in shown
    assert "***" in shown.replace("%2A", "*")
