"""Usage and survey files: the good rows count, the bad ones are listed by line, and nothing is lost between them."""

import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.runtime import files_named
from integrations import flatfile
from integrations.surveys import files as surveys
from integrations.usage import files as usage
from models import frames

HEADER = "account_ref,usage_date,feature,event_count,user_count\n"
SURVEY_HEADER = "account_ref,answered_at,kind,score,respondent,comment\n"


def written(folder: Path, content: str | bytes, name: str = "usage.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def listed(errors: pl.DataFrame) -> list[tuple[str, str]]:
    return errors.select("record", "rule").rows()


def test_reads_counts_and_keeps_account_references_as_text(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + "007,2026-11-01,login,3,2\nacme.example,2026-11-01,export,12.0,\n")
    good, bad = usage.read_usage(path)
    assert good.rows() == [
        ("007", date(2026, 11, 1), "login", 3, 2),
        ("acme.example", date(2026, 11, 1), "export", 12, None),
    ]
    assert good.schema == pl.Schema(frames.dtypes(frames.Usage))
    assert bad.is_empty()


BAD_LINES = {
    "a,31.10.2026,login,3,2": "usage_date|not_a_date",
    "a,2026-02-30,login,3,2": "usage_date|not_a_date",
    "a,,login,3,2": "usage_date|missing",
    "a,2026-11-01,login,-3,2": "event_count|negative",
    "a,2026-11-01,login,12.5,2": "event_count|not_a_whole_number",
    "a,2026-11-01,login,99999999999999999999,2": "event_count|not_a_whole_number",
    "a,2026-11-01,login,,2": "event_count|missing",
    "a,2026-11-01,login,3,some": "user_count|not_a_whole_number",
    "a,2026-11-01,login,3,-1": "user_count|negative",
    ",2026-11-01,login,3,2": "account_ref|missing",
    "a,2026-11-01,  ,3,2": "feature|missing",
    "a,2026-11-01,login,3": "torn",
    "a,2026-11-01,login,3,2,9": "torn",
    'a,2026-11-01,"login,3,2': "torn",
    'a,2026-11-01,"log"in,3,2': "torn",
    "a,x,login,y,2": "usage_date|not_a_date, event_count|not_a_whole_number",
}


@pytest.mark.parametrize(("line", "rule"), BAD_LINES.items())
def test_a_bad_line_is_set_aside_by_its_number_and_the_rest_counts(tmp_path: Path, line: str, rule: str) -> None:
    good_line = "b,2026-11-01,login,1,1\n"
    path = written(tmp_path, HEADER + good_line + "\n" + line + "\n" + good_line.replace("b", "c"))
    good, bad = usage.read_usage(path)
    assert good["account_ref"].to_list() == ["b", "c"]
    assert listed(bad) == [("4", rule)]
    assert bad["source"].to_list() == [str(path)]
    assert bad["target"].to_list() == ["usage"]


def test_the_error_list_shows_the_value_to_correct(tmp_path: Path) -> None:
    _, bad = usage.read_usage(written(tmp_path, HEADER + "a,31.10.2026,login,3,2\n"))
    assert bad["detail"].to_list() == ["usage_date is '31.10.2026'"]


def test_of_two_rows_for_one_account_day_and_feature_the_first_counts(tmp_path: Path) -> None:
    rows = "a,2026-11-01,login,3,2\na,2026-11-02,login,5,2\na,2026-11-01,login,4,2\n"
    good, bad = usage.read_usage(written(tmp_path, HEADER + rows))
    assert good["event_count"].to_list() == [3, 5]
    assert listed(bad) == [("4", "duplicate")]


def test_a_bad_row_does_not_make_a_later_good_one_a_duplicate(tmp_path: Path) -> None:
    good, bad = usage.read_usage(written(tmp_path, HEADER + "a,2026-11-01,login,-3,2\na,2026-11-01,login,4,2\n"))
    assert good["event_count"].to_list() == [4]
    assert listed(bad) == [("2", "event_count|negative")]


def test_bytes_that_are_not_utf8_spoil_only_their_line(tmp_path: Path) -> None:
    content = HEADER.encode() + b"a,2026-11-01,log\xff,3,2\nb,2026-11-01,login,3,2\n"
    good, bad = usage.read_usage(written(tmp_path, content))
    assert good["account_ref"].to_list() == ["b"]
    assert listed(bad) == [("2", "not_utf8")]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfaccount_ref,usage_date,feature,event_count\r\na,2026-11-01,login,3\r\n",
        b"Account_Ref ; Usage_Date ; Feature ; Event_Count\na ; 2026-11-01 ; login ; 3",
        b'"account_ref"\t"usage_date"\t"feature"\t"event_count"\n"a"\t"2026-11-01"\t"login"\t"3"\n',
        b"extra,event_count,feature,usage_date,account_ref\rz,3,login,2026-11-01,a\r",
    ],
    ids=["windows", "semicolons", "tabs and quotes", "old Mac, other order"],
)
def test_dialects_of_csv_mean_the_same(tmp_path: Path, content: bytes) -> None:
    good, bad = usage.read_usage(written(tmp_path, content))
    assert good.rows() == [("a", date(2026, 11, 1), "login", 3, None)]
    assert bad.is_empty()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("account_ref,usage_dat,feature,event_count\n", "column 'usage_date' is missing; the nearest is 'usage_dat'"),
        ("account_ref,usage_date,feature,q\n", "column 'event_count' is missing; there are: account_ref"),
        ("a,b".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_without_the_columns_is_refused_by_name(tmp_path: Path, content: str | bytes, said: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(usage.UsageFileError, match=said) as caught:
        usage.read_usage(path)
    assert str(path) in str(caught.value)


def test_parquet_and_csv_of_the_same_rows_agree(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {
            "account_ref": ["a", "b", "c", "a", None],
            "usage_date": [date(2026, 11, 1)] * 5,
            "feature": ["login"] * 5,
            "event_count": [1, 2, -3, 9, 1],
            "user_count": [1, None, 1, 1, 1],
        }
    )
    rows.write_parquet(tmp_path / "u.parquet")
    good, bad = usage.read_usage(tmp_path / "u.parquet")
    assert good["event_count"].to_list() == [1, 2]
    assert listed(bad) == [("3", "event_count|negative"), ("4", "duplicate"), ("5", "account_ref|missing")]
    rows.write_csv(tmp_path / "u.csv")
    assert usage.read_usage(tmp_path / "u.csv")[0].equals(good)


@pytest.mark.parametrize(
    ("column", "dtype", "rule"),
    [
        ("usage_date", pl.Datetime("ns"), None),
        ("usage_date", pl.String, None),
        ("usage_date", pl.Int64, "usage_date|not_a_date"),
        ("event_count", pl.Float64, None),
        ("event_count", pl.UInt8, None),
        ("event_count", pl.String, None),
        ("event_count", pl.Boolean, None),
        ("account_ref", pl.Categorical, None),
    ],
)
def test_parquet_columns_of_other_types_are_converted_or_set_aside(
    tmp_path: Path, column: str, dtype: type[pl.DataType] | pl.DataType, rule: str | None
) -> None:
    row = pl.DataFrame({"account_ref": "a", "usage_date": date(2026, 11, 1), "feature": "login", "event_count": 1})
    row.with_columns(pl.col(column).cast(dtype)).write_parquet(tmp_path / "u.parquet")
    good, bad = usage.read_usage(tmp_path / "u.parquet")
    assert listed(bad) == ([("1", rule)] if rule else [])
    assert good.rows() == ([] if rule else [("a", date(2026, 11, 1), "login", 1, None)])


def test_a_broken_parquet_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(usage.UsageFileError, match=r"u\.parquet: cannot be read as Parquet"):
        usage.read_usage(written(tmp_path, b"PAR1 no more", "u.parquet"))


def test_lists_the_files_of_folders_patterns_and_single_paths(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "deep/c.csv", ".hidden.csv", "_half.parquet", "notes.txt", "_tmp/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, "x", name)
    named = [str(path.relative_to(tmp_path)) for path in flatfile.table_files(tmp_path)]
    assert named == ["a.parquet", "b.csv", "deep/c.csv"]
    assert flatfile.table_files(f"{tmp_path}/*.csv") == [tmp_path / "b.csv"]
    assert flatfile.table_files(f"{tmp_path}/*.txt") == [tmp_path / "notes.txt"]
    assert flatfile.table_files(tmp_path / "b.csv") == [tmp_path / "b.csv"]
    assert flatfile.table_files(f"{tmp_path}/none*.csv") == []
    with pytest.raises(flatfile.FlatFileError, match="no such folder, file or pattern"):
        flatfile.table_files(tmp_path / "absent")


def test_a_run_reads_what_the_settings_name_and_misses_what_is_not_there(tmp_path: Path) -> None:
    for name in ("a.csv", "_half.csv", "deep/c.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, "x", name)
    (tmp_path / "empty").mkdir()
    asked = (str(tmp_path), f"{tmp_path}/*.csv", f"{tmp_path}/empty", f"{tmp_path}/absent.csv", f"{tmp_path}/no*.csv")
    named = [str(path.relative_to(tmp_path)) for path in files_named(asked)]
    assert named == ["a.csv", "absent.csv", "deep/c.csv", "no*.csv"]


@pytest.mark.parametrize("name", ["_x.csv", ".x.csv"])
def test_a_pattern_that_meets_only_a_file_still_being_written_misses_nothing(tmp_path: Path, name: str) -> None:
    written(tmp_path, "x", name)
    assert files_named((f"{tmp_path}/*.csv",)) == []
    assert files_named((f"{tmp_path}/*.parquet",)) == [tmp_path / "*.parquet"]


def test_the_hash_of_a_file_follows_content_and_not_the_name(tmp_path: Path) -> None:
    first, copy = written(tmp_path, HEADER, "a.csv"), written(tmp_path, HEADER, "b.csv")
    other = written(tmp_path, HEADER + "a,2026-11-01,login,3,2\n", "c.csv")
    assert flatfile.content_hash(first) == flatfile.content_hash(copy) != flatfile.content_hash(other)


CELL = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\ufffd\r"), max_size=8),
    st.sampled_from(['"', ",", '","', "\n", "\r\n", "a", "2026-11-01", "3", "-3", "3.0", "", " ", "login", "x\ny"]),
)
ROW = st.one_of(
    st.tuples(CELL, CELL, CELL, CELL, CELL),
    st.tuples(
        st.sampled_from("ab"),
        st.dates().map(str),
        st.sampled_from(["login", 'a "b"']),
        st.integers(-2, 9).map(str),
        st.just(""),
    ),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROW, max_size=12), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_every_record_written_is_either_good_or_listed(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]], quoting: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(HEADER.strip().split(","))
    writer.writerows(rows)
    path = written(tmp_path_factory.mktemp("drawn"), text.getvalue())
    good, bad = usage.read_usage(path)
    assert len(good) + len(bad) == len(rows)
    assert "torn" not in bad["rule"].to_list()
    kept = {(row[0].strip(), row[1].strip(), row[2].strip()) for row in rows}
    assert set(good.select("account_ref", pl.col("usage_date").cast(pl.String), "feature").rows()) <= kept
    frames.Usage.validate(good)


@settings(max_examples=60, deadline=None)
@given(lines=st.lists(st.text(st.sampled_from('a,"\t;3 -'), max_size=14), max_size=12))
def test_no_line_of_a_mangled_file_disappears(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    path = written(tmp_path_factory.mktemp("drawn"), HEADER + "\n".join(lines))
    cells, torn = flatfile.cells(path, usage.SHAPE)
    inside = sum(row.count("\n") for row in map(str, cells.drop("line").rows()))
    numbers = [*cells["line"].to_list(), *map(int, torn["record"].to_list())]
    assert len(numbers) == len(set(numbers))
    spans = cells.select(pl.sum_horizontal(pl.exclude("line").str.count_matches("\n").fill_null(0))).to_series().sum()
    blank = sum(not line.strip() for line in lines)
    assert len(numbers) + spans >= len(lines) - blank - inside
    assert all(lines[number - 2].strip() for number in numbers)


def test_survey_answers_of_all_kinds_are_read(tmp_path: Path) -> None:
    rows = (
        'a,2026-11-01T10:00:00Z,NPS,9,bob,"great\nstuff, ""really"""\n'
        "a,2026-11-01 10:00:00+02:00,csat,95.5,,\n"
        "a,2026-11-01 10:00,ces,40,,\n"
        "007,2026-11-01,nps,10,,\n"
    )
    good, bad = surveys.read_surveys(written(tmp_path, SURVEY_HEADER + rows))
    assert bad.is_empty()
    assert good.rows() == [
        ("a", datetime(2026, 11, 1, 10, tzinfo=UTC), "nps", 9.0, "bob", 'great\nstuff, "really"'),
        ("a", datetime(2026, 11, 1, 8, tzinfo=UTC), "csat", 95.5, None, None),
        ("a", datetime(2026, 11, 1, 10, tzinfo=UTC), "ces", 40.0, None, None),
        ("007", datetime(2026, 11, 1, tzinfo=UTC), "nps", 10.0, None, None),
    ]
    frames.Surveys.validate(good)


BAD_ANSWERS = {
    "a,noon,nps,9,,": "answered_at|not_an_instant",
    "a,,nps,9,,": "answered_at|missing",
    "a,2026-11-01,smile,9,,": "kind|unknown",
    "a,2026-11-01,,9,,": "kind|missing",
    "a,2026-11-01,nps,11,,": "score|out_of_range",
    "a,2026-11-01,csat,101,,": "score|out_of_range",
    "a,2026-11-01,csat,-1,,": "score|out_of_range",
    "a,2026-11-01,csat,NaN,,": "score|not_a_number",
    "a,2026-11-01,csat,good,,": "score|not_a_number",
    ",2026-11-01,csat,9,,": "account_ref|missing",
    "b,2026-11-01T00:00:00Z,nps,3,,again": "duplicate",
}


@pytest.mark.parametrize(("line", "rule"), BAD_ANSWERS.items())
def test_a_bad_answer_is_set_aside_and_the_rest_counts(tmp_path: Path, line: str, rule: str) -> None:
    path = written(tmp_path, SURVEY_HEADER + "b,2026-11-01,nps,1,,\n" + line + "\nc,2026-11-01,nps,1,,\n")
    good, bad = surveys.read_surveys(path)
    assert good["account_ref"].to_list() == ["b", "c"]
    assert listed(bad) == [("3", rule)]


def test_a_survey_file_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(surveys.SurveyFileError, match="column 'score' is missing; the nearest is 'scores'"):
        surveys.read_surveys(written(tmp_path, "account_ref,answered_at,kind,scores\n"))
