"""The screens in Korean: no text is missing, no placeholder is lost, and the rest stays English."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from salesmap_async.cli.catalogue import Catalogue
from salesmap_async.cli.korean import SENTENCES, WORDS
from salesmap_async.cli.language import local, speak, typed_language, usual_language
from tests.support.cli_process import QUICK, ServedSandbox, cli, env_of, no_process_is_left
from tests.support.said_texts import all_shapes

__all__ = ["no_process_is_left"]

PLACEHOLDER = re.compile(r"\{(\w+)\}")
HANGUL = re.compile(r"[가-힣]")
TECHNICAL = {
    "bold red", "Path | None", "float | None", "yyyy-mm-dd hh:mm:ss", "google drive", "my drive",
    "mobile documents", "box sync", "naver mybox",
    "no crontab for", "no such file or directory", "{}; charset=utf-8", "salesmap-async: {} {}",
    "datasette {} -m {} --setting suggest_facets off",
    "{task.description} {task.completed:,.0f} {}",
    "Options from this file; default: salesmap.toml in the working directory, if it is there.",
    "Language of the screens; default: that of the system. Logs and JSON are in English.",
    "날짜와 시각은 서울 시간(UTC+9)입니다. 시간대가 없는 값은 UTC로 봅니다.",
}  # fmt: skip
"""Shapes of two words that no person reads as a text, or that are the help of an option."""
SQL_OF = ("store/", "timeline/", "publish/schema.py", "export/source.py", "search/index.py")
"""Where strings are pieces of SQL."""


def shape(template: str) -> str:
    return PLACEHOLDER.sub("{}", template).rstrip()


def is_sql(text: str) -> bool:
    """Tell whether a string of a module with SQL is a piece of it."""
    return bool(
        re.search(r"\b(IN|NULL|JOIN|ORDER|TEXT|AND|CASE|OFF|UTF-8|NOT)\b", text)
        or re.search(r"[a-z]\.\w|_\w+\(|tokenchars|started_at", text)
    )


def test_no_text_is_missing() -> None:
    """Every text that the source can show has its Korean, by its shape."""
    known = {shape(text) for text in (*SENTENCES, *WORDS)}
    missing = {
        f"{place}: {text}"
        for text, place in all_shapes().items()
        if text.rstrip() not in known
        and text not in TECHNICAL
        and not place.startswith("timeline/report.py")
        and not (place.startswith(SQL_OF) and is_sql(text))
    }
    assert not missing


def test_placeholders_agree() -> None:
    """The same values stand in both, and the Korean says something."""
    for english, korean in {**SENTENCES, **WORDS}.items():
        assert set(PLACEHOLDER.findall(english)) == set(PLACEHOLDER.findall(korean)), english
        assert korean.strip(), english


def test_a_text_that_is_not_collected_would_be_missed() -> None:
    """The collector finds errors, findings, advice, warnings and what is printed."""
    found = all_shapes()
    for text in (
        "there is no token",
        "run {} is finished, there is nothing left to resume",
        "Nothing is left to do; this takes the next snapshot.",
        "check the disk, then resume the run",
        "{} retries, {} refused (429), {} s waited for the quota",
    ):
        assert text in found


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("There is no token.", "토큰이 없습니다."),
        ("The snapshot is 1 d 2 h old", "스냅샷은 1일 2시간 전의 것입니다"),
        (
            "The snapshot is 3 h 5 min old; the last 2 starts failed: there is no token",
            "스냅샷은 3시간 5분 전의 것입니다; 마지막 시작 2번이 실패했습니다: 토큰이 없습니다",
        ),
        ("run 20261122_143500, read 5 min 1 s ago; 3,223 rows, 2.5 MB",
         "실행 20261122_143500, 5분 1초 전에 읽음, 3,223행, 2.5 MB"),
        ("a: b; something nobody wrote", "a: b; something nobody wrote"),
        ("/home/kim/is read/x.db", "/home/kim/is read/x.db"),
        ("published", "게시됨"),
        ("There is no run x in /crm/checkpoints.", "/crm/checkpoints에 실행 x이(가) 없습니다."),
    ],
)  # fmt: skip
def test_a_text_is_put_together_in_korean(english: str, korean: str) -> None:
    """Values that are texts are said in Korean too; names and paths stay as they are."""
    speak("ko")
    assert local(english) == korean


def test_of_two_sentences_the_one_with_more_words_counts() -> None:
    """And a word is a word only where it stands alone."""
    both = Catalogue({"{name} is here": "A {name}", "no {what} is here": "B {what}"}, {"no": "C"})
    assert both.say("no dog is here") == "B dog"
    assert both.say("no") == "C"
    assert both.say("no way") == "no way"


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "ko_KR"}, "ko"),
        ({"LANG": "en_US.UTF-8", "SALESMAP_LANG": "ko"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "SALESMAP_LANG": "en"}, "en"),
    ],
)
def test_the_language_of_the_system(environment: dict[str, str], language: str) -> None:
    """The variable, else the locale as the C library ranks it, else English."""
    if os.name == "posix":
        assert usual_language(environment) == language


def test_a_language_that_is_typed_counts_before_anything_is_parsed() -> None:
    """For the mistakes of the command line itself."""
    assert typed_language(["run", "--lang", "ko"]) == "ko"
    assert typed_language(["--lang=ko", "run"]) == "ko"
    assert typed_language(["run"]) is None


def test_a_whole_life_on_korean_screens(tmp_path: Path) -> None:
    """Run, status, runs, doctor, a failure: Korean screens, English files."""
    with ServedSandbox(tmp_path) as server:
        env = {**env_of(server), "LANG": "ko_KR.UTF-8", "TZ": "Asia/Seoul"}
        code, out, err = cli(tmp_path, "run", *QUICK, **env)
        assert code == 0
        assert "최종 DB" in out
        assert re.search(r"정보 실행 \d+_\d+ 시작: ", err)
        for words, said in (
            (("status",), "남은 일이 없습니다. 다음 스냅샷을 뜹니다.\n다음 명령: python -m"),
            (("runs",), "(+09:00)"),
            (("doctor",), "실행할 수 있습니다: 실패 0"),
            (("restore",), "백업이 없습니다."),
            (("prune",), "에서 지울 것이 없습니다."),
            (("status", "--check"), "정상: 스냅샷은"),
        ):
            _, out, _ = cli(tmp_path, *words, **env)
            assert said in out
        code, _, err = cli(tmp_path, "run", **{**env, "SALESMAP_TOKEN": "wrong-token-00001"})
        assert code == 2
        assert "토큰이 받아들여지지 않습니다" in err
        assert "아무것도 바꾸지 않았습니다." in err
        _, out, _ = cli(tmp_path, "status", **env)
        assert "전 마지막 시작이 거절되었습니다: 토큰이 받아들여지지 않습니다" in out
        assert "+09:00" in out
        _, _, err = cli(tmp_path, "run", "--frob", "--lang", "ko")
        assert "옵션은 없습니다" in err
    for path in (tmp_path / "logs").rglob("*.log"):
        lines = path.read_text("utf-8").splitlines()
        assert not [line for line in lines if re.search(r" (정보|경고|오류) ", line)]
    history = (tmp_path / "logs" / "run_history.jsonl").read_text("utf-8")
    assert "the token is not accepted" in history


def test_times_on_screens_are_local_with_their_offset(tmp_path: Path) -> None:
    """UTC in files, the machine's clock on the screen, whatever the zone."""
    with ServedSandbox(tmp_path) as server:
        env = env_of(server)
        cli(tmp_path, "run", *QUICK, "--quiet", **env)
        for zone, offset in (("Asia/Seoul", r"\+09:00"), ("UTC", r"\+00:00"), ("EST5", "-05:00")):
            _, out, _ = cli(tmp_path, "status", TZ=zone, **env)
            assert re.search(rf"started \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {offset}", out)
            _, out, _ = cli(tmp_path, "runs", TZ=zone, **env)
            assert re.search(rf"when \({offset}\)", out)
            as_of = ("timeline", "as-of", "today", "--out", "t.db", "--force")
            _, out, _ = cli(tmp_path, *as_of, TZ=zone, **env)
            assert re.search(rf"read \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {offset}\n", out)
