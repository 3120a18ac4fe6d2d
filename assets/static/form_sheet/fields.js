// Parts one, two, four and five: plain inputs, with tied labels, each commits on its own.

import { Combo } from "./combo.js";
import { h, LEVELS, levelChip, uniqueId } from "./dom.js";
import { CHOICE_SEPARATOR, LONGEST_TEXT } from "./model.js";

const YES_NO = ["是", "否"];

/** Quasar fades whatever is disabled, important and in a layer; what must be read may not be faded, so it is said inline. */
function readable(element) {
  element.style.setProperty("opacity", "1", "important");
  return element;
}

export class FieldParts {
  constructor(ctl) {
    this.ctl = ctl;
    this.model = ctl.model;
    this.controls = new Map(); // address → {wrap, show(text), lock(reason), message, focusable}
  }

  /** The body of one part. */
  build(part) {
    const body = h("div", { class: `lvs-fields lvs-fields-${part.layout}` });
    if (part.note) body.append(h("p", { class: "lvs-note", text: part.note }));
    for (const section of part.sections) {
      if (section.title && section.title !== part.title) body.append(h("h3", { class: "lvs-section", text: section.title }));
      const list = h("div", { class: "lvs-list" });
      const quiet = part.layout === "questions"; // the same guidance under seven questions: read out, and shown under the sheet
      for (const row of section.rows) for (const address of this.model.values(row)) list.append(this.#field(this.model.rows.get(row.key), address, quiet));
      body.append(list);
    }
    return body;
  }

  #field(row, address, quiet) {
    const id = uniqueId("field");
    const label = row.yearly ? this.model.place(address) : row.label;
    const wrap = h("div", { class: `lvs-field lvs-field-${row.kind}`, data: { field: row.key } });
    const message = h("div", { class: "lvs-message", id: `${id}-message` });
    const caption = [h("span", { text: label, class: row.required ? "lvs-needed" : "" }), row.unit && h("span", { class: "lvs-unit-word", text: `（${row.unit}）` })];
    const control = this.#control(row, address, id, label);
    const title = control.group
      ? h("div", { class: "lvs-caption", id: `${id}-label` }, ...caption)
      : h("label", { class: "lvs-caption", id: `${id}-label`, for: id }, ...caption);
    if (control.group) control.group.setAttribute("aria-labelledby", `${id}-label`);
    const described = control.group ?? control.input;
    described.setAttribute("aria-describedby", row.guidance ? `${id}-message ${id}-help` : `${id}-message`);
    if (row.required) described.setAttribute("aria-required", "true");
    described.dataset.address = address;
    const box = h("div", { class: "lvs-control" }, control.body, control.counter ?? null, message, row.guidance && h("div", { class: quiet && control.group ? "lvs-hidden" : "lvs-help", id: `${id}-help`, text: row.guidance }));
    wrap.append(title, box);
    wrap.addEventListener("focusin", () => this.ctl.focused(address, { row, column: "" }));
    this.controls.set(address, { ...control, wrap, described, message });
    this.paint(address);
    return wrap;
  }

  #control(row, address, id, label) {
    const commit = (text, seen) => this.ctl.commitOne(address, text, seen);
    if (row.kind === "yesno" || (row.kind === "choice" && (row.choices ?? []).length <= 3 && (row.choices ?? []).length > 0)) return this.#radios(row.choices?.length ? row.choices : YES_NO, id, commit);
    if (row.kind === "choices") return this.#checks(row.choices ?? [], id, commit);
    if (row.kind === "choice" && row.choices?.length) return this.#select(row.choices, id, commit);
    if (row.kind === "industry" || row.reference) return this.#combo(row, id, label, commit);
    if (row.kind === "longtext") return this.#long(row, address, id, commit);
    return this.#line(row, address, id, commit);
  }

  #line(row, address, id, commit) {
    const input = h("input", { id, class: "lvs-input", type: "text", autocomplete: "off", spellcheck: "false", maxLength: LONGEST_TEXT });
    this.#text(input, address, commit);
    return { input, body: input, show: (text) => (input.value = text), lock: (locked) => (input.readOnly = locked) };
  }

  #long(row, address, id, commit) {
    const most = row.maxLength || 2000;
    const input = h("textarea", { id, class: "lvs-input lvs-textarea", rows: 3, maxLength: LONGEST_TEXT });
    const counter = h("div", { class: "lvs-counter", "aria-hidden": "true" });
    const count = () => {
      const over = [...input.value].length - most;
      counter.textContent = `${most + over} / ${most} 字` + (over > 0 ? `，超出 ${over} 字` : "");
      counter.classList.toggle("lvs-over", over > 0);
    };
    input.addEventListener("input", count);
    this.#text(input, address, commit);
    return { input, counter, body: input, show: (text) => ((input.value = text), count()), lock: (locked) => (input.readOnly = locked) };
  }

  #text(input, address, commit) {
    let seen; // what stood there when the typing began
    input.addEventListener("input", () => {
      seen ??= this.model.text(address);
      this.ctl.draft({ a: address, t: input.value });
    });
    input.addEventListener("change", () => {
      this.ctl.draft(null);
      commit(input.value.trim(), seen);
      seen = undefined;
    });
    input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing || input.value === this.model.text(address)) return;
      event.stopPropagation();
      input.value = this.model.text(address);
      input.dispatchEvent(new Event("input"));
      this.ctl.draft(null);
      seen = undefined;
    });
  }

  #radios(choices, id, commit) {
    const boxes = choices.map((choice) => readable(h("input", { type: "radio", name: id, value: choice, onchange: () => commit(choice) })));
    const group = h("div", { class: "lvs-radios", role: "radiogroup", id }, ...boxes.map((box) => h("label", { class: "lvs-radio" }, box, h("span", { text: box.value }))));
    return {
      group, input: boxes[0], body: group,
      show: (text) => boxes.forEach((box) => (box.checked = box.value === text)),
      lock: (locked) => boxes.forEach((box) => (box.disabled = locked)),
    };
  }

  #checks(choices, id, commit) {
    const boxes = choices.map((choice) => readable(h("input", { type: "checkbox", value: choice })));
    const group = h("div", { class: "lvs-checks", role: "group", id }, ...boxes.map((box) => h("label", { class: "lvs-radio" }, box, h("span", { text: box.value }))));
    group.addEventListener("change", () => commit(boxes.filter((box) => box.checked).map((box) => box.value).join(CHOICE_SEPARATOR)));
    return {
      group, input: boxes[0], body: group,
      show: (text) => {
        const chosen = new Set(text.split(/[;；|]/).map((one) => one.trim()));
        boxes.forEach((box) => (box.checked = chosen.has(box.value)));
      },
      lock: (locked) => boxes.forEach((box) => (box.disabled = locked)),
    };
  }

  #select(choices, id, commit) {
    const select = h("select", { id, class: "lvs-input lvs-select" }, h("option", { value: "", text: "请选择" }), ...choices.map((choice) => h("option", { value: choice, text: choice })));
    readable(select);
    select.addEventListener("change", () => commit(select.value));
    return {
      input: select, body: select,
      show: (text) => {
        if (text && ![...select.options].some((option) => option.value === text)) select.append(h("option", { value: text, text }));
        select.value = text;
      },
      lock: (locked) => (select.disabled = locked),
    };
  }

  #combo(row, id, label, commit) {
    const input = h("input", { id, class: "lvs-input lvs-combo", type: "text", spellcheck: "false", placeholder: row.kind === "industry" ? "输入代码或名称查找，如 3670 或 汽车" : "输入文字查找" });
    const combo = new Combo(input, {
      options: () => this.ctl.reference(row), host: this.ctl.layer, label,
      pick: (value) => {
        input.value = value;
        commit(value);
      },
    });
    let text = "";
    input.addEventListener("focus", () => this.ctl.reference(row));
    input.addEventListener("click", () => !input.readOnly && combo.open(input.value === text ? "" : input.value));
    input.addEventListener("keydown", (event) => {
      if (!input.readOnly && combo.key(event)) event.preventDefault(), event.stopPropagation();
    });
    input.addEventListener("change", async () => {
      const typed = input.value.trim();
      const found = (await this.ctl.reference(row)).find(({ value }) => value === typed || value.split(" ").includes(typed));
      if (input.value.trim() === typed) commit(found?.value ?? typed);
    });
    return { input, body: input, show: (value) => (input.value = text = value), lock: (locked) => (input.readOnly = locked) };
  }

  has(address) {
    return this.controls.has(address);
  }

  element(address) {
    return this.controls.get(address)?.described;
  }

  focus(address) {
    const control = this.controls.get(address);
    if (!control) return;
    control.wrap.scrollIntoView({ block: "center" });
    const target = control.group ? ([...control.group.querySelectorAll("input")].find((box) => box.checked) ?? control.input) : control.input;
    if (target.disabled) {
      control.described.tabIndex = -1;
      control.described.focus({ preventScroll: true });
    } else target.focus({ preventScroll: true });
  }

  /** Draw one field from the model; text that is being typed is left alone. */
  paint(address) {
    const control = this.controls.get(address);
    if (!control) return;
    const model = this.model;
    const typing = document.activeElement === control.input && control.input.matches("input[type=text], textarea") && control.input.value !== control.last;
    const text = model.text(address);
    if (!typing) {
      control.show(text);
      control.last = control.input.value;
    }
    const reason = model.lockReason(address);
    control.lock(Boolean(reason));
    const mark = model.mark(address);
    control.wrap.dataset.mark = mark;
    control.wrap.classList.toggle("lvs-field-locked", Boolean(reason));
    control.wrap.classList.toggle("lvs-changed", model.changed.has(address));
    if (mark === "error") control.described.setAttribute("aria-invalid", "true");
    else control.described.removeAttribute("aria-invalid");
    const asked = model.questions.get(address);
    if (asked) control.wrap.dataset.questions = asked;
    else delete control.wrap.dataset.questions;
    const lines = model.findingsAt(address)
      .filter((finding) => finding.cells[0] === address && (finding.level === "error" ? mark === "error" : finding.level === "warning" && finding.state === "open"))
      .sort((one, other) => LEVELS[one.level].rank - LEVELS[other.level].rank)
      .map((finding) => h("p", { class: `lvs-line lvs-line-${finding.level}` }, levelChip(finding.level), ` ${finding.message}`));
    if (reason && !model.readonly && !(model.row(address).locked && model.row(address).guidance)) lines.push(h("p", { class: "lvs-line lvs-line-lock", text: reason }));
    control.message.replaceChildren(...lines);
  }

  paintAll() {
    for (const address of this.controls.keys()) this.paint(address);
  }
}
