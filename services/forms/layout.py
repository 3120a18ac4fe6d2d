"""A form for the sheet component (表单版式): the JSON-ready description of its parts, sections and rows."""

from __future__ import annotations

from typing import Any

from services.forms.cells import convertible
from services.forms.template import FormField, FormTemplate, Part, Section


def of(template: FormTemplate) -> dict[str, Any]:
    """Everything the browser needs to draw an empty sheet; keys as the component reads them."""
    return {
        "form": template.form.value,
        "year": template.year,
        "title": template.title,
        "years": list(template.years),
        "pledge": template.pledge,
        "parts": [_part(part) for part in template.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "key": part.key,
        "title": part.title,
        "note": part.note,
        "layout": part.layout,
        "sections": [_section(section) for section in part.sections],
    }


def _section(section: Section) -> dict[str, Any]:
    return {"key": section.key, "title": section.title, "rows": [_row(field) for field in section.fields]}


def _row(field: FormField) -> dict[str, Any]:
    return {
        "key": field.key,
        "code": field.code,
        "label": field.label,
        "parameter": field.parameter,
        "group": field.group,
        "kind": field.kind,
        "unit": field.unit,
        "units": [option.name for option in field.units],
        "convertible": {option.name: list(convertible(field, option.name)) for option in field.units},
        "unitOf": field.unit_of,
        "yearly": field.yearly,
        "required": field.required,
        "remark": field.remark,
        "decimals": field.decimals,
        "choices": list(field.choices),
        "reference": field.reference,
        "maxLength": field.max_length,
        "locked": field.locked,
        "personal": field.personal,
        "emptyWords": field.empty_words,
        "formula": field.formula.words if field.formula else "",
        "guidance": field.guidance,
        "source": field.source,
        "official": field.official,
    }
