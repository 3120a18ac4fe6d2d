"""A table out of a stranger's file: what Excel and WPS write is read, anything else is refused in a sentence (表格)."""

from __future__ import annotations

import io

import pytest
from openpyxl import Workbook

from services.documents import tables
from services.errors import Refusal


def workbook(*rows: tuple[object, ...], title: str = "名单") -> bytes:
    made = Workbook()
    made.active.title = title
    for row in rows:
        made.active.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def test_the_first_sheet_is_read_whatever_it_is_called() -> None:
    content = workbook(("序号", "名称"), (1, " 广州 南粤 "), (None, None), (2, "云山"), title="附件1")
    assert tables.read("名单.xlsx", content) == (
        (1, ("序号", "名称")),
        (2, ("1", "广州 南粤")),
        (4, ("2", "云山")),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_csv_of_excel_or_wps_is_read_in_its_own_encoding(encoding: str) -> None:
    content = '序号,名称\r\n1,"广州,南粤"\r\n\r\n'.encode(encoding)
    assert tables.read("名单.CSV", content) == ((1, ("序号", "名称")), (2, ("1", "广州,南粤")))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"\xff\xfe\x00", "编码无法识别"),
        ("a.csv", b'"a', "引号不配对"),
        ("a.csv", b" , \n", "没有内容"),
        ("a.csv", b"a\n" * 12_001, "表格过大"),
        ("a.csv", b"a" * (5 * 1024 * 1024 + 1), "超过 5 MB"),
        ("a.xlsx", b"hello", "不是 .xlsx 工作簿"),
    ],
)
def test_what_is_no_table_is_refused(name: str, content: bytes, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        tables.read(name, content)


def test_a_list_may_be_longer_than_a_form() -> None:
    rows = tables.read("名单.xlsx", workbook(*((n, f"单位{n}") for n in range(1, 2501))))
    assert rows[-1] == (2500, ("2500", "单位2500"))
