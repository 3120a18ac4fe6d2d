// What the sheet knows: layout, cells as the server has them, texts on their way, findings. No DOM here.

export const CHOICE_SEPARATOR = "；"; // between the options of a 多选 cell, as services/forms/expressions has it
/** Characters the server takes in one cell (MAX_TEXT in form_sheet.py); what is longer than its field allows is kept and marked. */
export const LONGEST_TEXT = 4000;
const PLAIN_NUMBER = /^(-?)(\d+)(\.\d+)?$/;
const SPACED = /^-?\d{1,3}( \d{3})+(\.\d+)?$/;
const POWER = /^(-?)(\d+)(?:\.(\d*))?e([+-]?\d{1,2})$/i;
const NARROW = { "，": ",", "．": ".", "－": "-", "％": "%", "　": " " };

export class Model {
  constructor(layout, full) {
    this.layout = layout;
    this.years = layout.years.map(String);
    this.rows = new Map();
    for (const part of layout.parts)
      for (const section of part.sections) for (const row of section.rows) this.rows.set(row.key, { ...row, part: part.key, drawn: part.layout });
    this.load(full);
  }

  load(full) {
    this.cells = new Map(Object.entries(full.cells ?? {}));
    this.pending = new Map();
    this.findings = new Map((full.findings ?? []).map((finding) => [finding.id, finding]));
    this.editable = full.editable ? new Set(full.editable) : null;
    this.readonly = Boolean(full.readonly);
    this.readonlyReason = full.readonlyReason || "当前为查看状态，不能修改。";
    this.progress = full.progress ?? [];
    this.counts = full.counts ?? null;
    this.savedAt = full.savedAt ?? "";
    this.previous = full.previous ?? {};
    this.questions = countBy(full.questions ?? []);
    this.changed = new Set(full.changed ?? []);
    this.conflicts = new Map();
    this.strict = Boolean(full.strict);
    this.#index();
  }

  #index() {
    this.byCell = new Map();
    for (const finding of this.findings.values())
      for (const address of finding.cells) {
        if (!this.byCell.has(address)) this.byCell.set(address, []);
        this.byCell.get(address).push(finding);
      }
  }

  /** Take one answer of the server in; returns the addresses to draw again. */
  take(patch) {
    const touched = new Set();
    for (const [address, cell] of Object.entries(patch.cells ?? {})) this.cells.set(address, cell), touched.add(address);
    const gone = new Set(patch.gone ?? []);
    for (const id of gone) {
      this.findings.get(id)?.cells.forEach((address) => touched.add(address));
      this.findings.delete(id);
    }
    for (const finding of patch.found ?? []) {
      this.findings.get(finding.id)?.cells.forEach((address) => touched.add(address));
      this.findings.set(finding.id, finding);
      finding.cells.forEach((address) => touched.add(address));
    }
    if (gone.size || patch.found?.length) this.#index();
    for (const address of Object.keys(patch.refused ?? {})) touched.add(address);
    for (const [address, pair] of Object.entries(patch.conflicts ?? {})) this.conflicts.set(address, pair), touched.add(address);
    if (patch.progress) this.progress = patch.progress;
    if (patch.counts) this.counts = patch.counts;
    if (patch.savedAt) this.savedAt = patch.savedAt;
    return touched;
  }

  /** Texts that were committed here and not yet acknowledged are shown instead of the server's. */
  setPending(items) {
    const before = new Set(this.pending.keys());
    this.pending = new Map();
    for (const item of items) if (item.kind === "cells") for (const change of item.body.changes) this.pending.set(change.a, change.t);
    for (const address of this.pending.keys()) before.add(address);
    return before;
  }

  text(address) {
    return this.pending.get(address) ?? this.cells.get(address)?.t ?? "";
  }

  kind(address) {
    return this.pending.has(address) ? "pending" : (this.cells.get(address)?.k ?? "blank");
  }

  row(address) {
    return this.rows.get(address.split(":", 1)[0]);
  }

  slot(address) {
    return address.slice(address.indexOf(":") + 1 || address.length);
  }

  /** The addresses of a row's figures. */
  values(row) {
    return row.yearly ? this.years.map((year) => `${row.key}:${year}`) : [row.key];
  }

  unit(row) {
    if (row.unitOf) {
      const owner = this.rows.get(row.unitOf);
      return owner ? this.unit(owner) : row.unit;
    }
    return row.units?.length ? this.text(`${row.key}:unit`) : row.unit || "";
  }

  name(row) {
    return row.parameter ? `${row.label}－${row.parameter}` : row.label;
  }

  /** Words for a cell: 工业总产值 2024年. */
  place(address) {
    const row = this.row(address);
    if (!row) return address;
    const slot = this.slot(address);
    const what = { unit: "计量单位", remark: "特殊情况说明", "": "" }[slot] ?? `${slot}年`;
    return what ? `${this.name(row)} ${what}` : this.name(row);
  }

  /** Why a cell cannot be edited; "" if it can. */
  lockReason(address) {
    const row = this.row(address);
    if (!row) return "此处不是填写项。";
    if (row.kind === "derived" && !["remark", "unit"].includes(this.slot(address)))
      return `由系统按公式计算${row.formula ? `（${row.formula}）` : ""}，不能填写。`;
    if (this.readonly) return this.readonlyReason;
    if (row.locked) return "取自单位注册信息，不能在此修改；如有变化，请在单位信息中更正。";
    if (this.editable && !this.editable.has(address)) return "本次退回只开放主管部门指定的单元格，此格不在其中。";
    return "";
  }

  findingsAt(address) {
    return this.byCell.get(address) ?? [];
  }

  /** The mark of a cell: error, need (required, still empty, nobody asked yet), warning, kept, note or "". */
  mark(address) {
    let best = "";
    for (const finding of this.findingsAt(address)) {
      if (finding.level === "error") {
        if (finding.rule !== "required" || this.strict) return "error";
        best = "need";
      } else if (finding.level === "warning") {
        if (finding.state === "open") best = "warning";
        else if (best !== "warning") best = "kept";
      } else if (!best) best = "note";
    }
    return best;
  }

  /** Figures with thousands separators, everything else as typed. */
  shown(address) {
    const text = this.text(address);
    const row = this.row(address);
    if (!row || !["number", "derived"].includes(row.kind) || ["unit", "remark"].includes(this.slot(address))) return text;
    const parts = PLAIN_NUMBER.exec(unfolded(narrow(text)));
    if (!parts) return text;
    return parts[1] + parts[2].replace(/\B(?=(\d{3})+$)/g, ",") + (parts[3] ?? "");
  }

  /** Open errors and warnings, and notes. */
  tally() {
    if (this.counts) return this.counts;
    const tally = [0, 0, 0];
    for (const finding of this.findings.values()) {
      if (finding.level === "error") tally[0]++;
      else if (finding.level === "note") tally[2]++;
      else if (finding.state === "open") tally[1]++;
    }
    return tally;
  }

  order(address) {
    this.positions ??= new Map([...this.rows.keys()].map((key, index) => [key, index]));
    const slot = this.slot(address);
    return (this.positions.get(address.split(":", 1)[0]) ?? 1e6) * 10 + (slot === "unit" ? 0 : slot === "remark" ? 9 : this.years.indexOf(slot) + 2);
  }
}

/** Full-width figures and signs as ASCII, for showing only: what is stored stays as typed. */
export function narrow(text) {
  return text.replace(/[０-９]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) - 0xfee0)).replace(/[，．－％　]/g, (sign) => NARROW[sign]).trim();
}

/** 1,234.5, 1 234.5 and 1.2e3 without separators and powers, digit by digit; anything else as it is. */
function unfolded(text) {
  const figure = SPACED.test(text) ? text.replaceAll(" ", "") : text.replace(/,(?=\d{3}(\D|$))/g, "");
  const parts = POWER.exec(figure);
  if (!parts || Math.abs(parts[4]) > 20) return figure;
  const [, sign, whole, fraction = "", power] = parts;
  const digits = whole + fraction;
  const point = whole.length + Number(power);
  const padded = point <= 0 ? "0".repeat(1 - point) + digits : digits.padEnd(point, "0");
  const before = padded.slice(0, Math.max(point, 1)).replace(/^0+(?=\d)/, "");
  const after = padded.slice(Math.max(point, 1)).replace(/0+$/, "");
  return sign + before + (after ? `.${after}` : "");
}

export function countBy(addresses) {
  const counts = new Map();
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1);
  return counts;
}
