// What floats over the sheet, one at a time: the official pop-ups (数值超出范围警告, 数值规则警告), questions, conflicts, the failure list.

import { h, levelChip, overlap, placeBeside, uniqueId } from "./dom.js";

export class Dialogs {
  constructor(ctl) {
    this.ctl = ctl;
    this.waiting = [];
    this.open = null;
  }

  /** Show one dialog: {kind, title, body, buttons: [[words, act, primary]], dismiss, anchor}; the next waits until this is closed. */
  show(spec) {
    if (this.open) {
      if (spec.kind === "findings" && this.open.spec.kind === "findings") this.#replace(this.open.spec.merge(spec));
      else this.waiting.push(spec);
      return;
    }
    this.#draw(spec);
  }

  #replace(spec) {
    this.open.box.remove();
    this.open = null;
    this.#draw(spec);
  }

  #draw(spec) {
    const title = uniqueId("dialog");
    const close = (act) => () => this.close(act);
    const box = h("div", { class: `lvs-dialog lvs-dialog-${spec.kind}`, role: "dialog", "aria-modal": "false", "aria-labelledby": title, tabindex: "-1", popover: "manual", data: { dialog: spec.kind } },
      h("div", { class: "lvs-dialog-head" }, h("h2", { id: title, text: spec.title }), h("button", { type: "button", class: "lvs-icon-button", "aria-label": "关闭", text: "×", onclick: close(spec.dismiss) })),
      h("div", { class: "lvs-dialog-body", tabindex: "0" }, ...spec.body),
      h("div", { class: "lvs-dialog-foot" }, ...spec.buttons.map(([words, act, primary]) => h("button", { type: "button", class: primary ? "lvs-button lvs-primary" : "lvs-button", text: words, onclick: close(act) }))));
    box.addEventListener("keydown", (event) => this.#key(event));
    for (const name of ["copy", "cut", "paste"])
      box.addEventListener(name, (event) => event.target === box && spec.kind === "findings" && getSelection().isCollapsed && this.ctl.clipboardOn(event));
    this.ctl.hover(null);
    this.ctl.layer.append(box);
    box.showPopover?.();
    this.open = { spec, box };
    this.reposition();
    // Whoever is already typing the next figure is not interrupted; the dialog waits beside the cell.
    if (!this.ctl.typing()) box.focus({ preventScroll: true });
    this.ctl.announce(`${spec.title}。${spec.words ?? ""}`);
  }

  /** Focus the dialog that is open, once an editor has been closed. */
  attend() {
    this.open?.box.focus({ preventScroll: true });
  }

  reposition() {
    if (!this.open) return;
    const { box, spec } = this.open;
    const clear = [...(spec.cells ?? []), this.ctl.here].map((address) => this.ctl.elementOf(address));
    placeBeside(box, spec.anchor?.(), { clear });
    this.ctl.keepApart();
  }

  /** Out of the way of the cell where the person has gone on to; where it covers nothing it stays. */
  makeRoom(cell) {
    if (this.open && cell && overlap(this.open.box, cell)) this.reposition();
  }

  close(act) {
    if (!this.open) return;
    const { box, spec } = this.open;
    const inside = box.contains(document.activeElement);
    this.open = null;
    box.remove();
    if (inside) this.ctl.returnFocus();
    act?.(box);
    if (this.waiting.length) this.#draw(this.waiting.shift());
    return spec;
  }

  drop() {
    this.waiting = [];
    if (this.open) this.open.box.remove();
    this.open = null;
  }

  #key(event) {
    if (event.isComposing && event.target.tagName === "TEXTAREA") return;
    if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.close(this.open.spec.dismiss);
    } else if (event.key === "Tab") {
      // It lies at the end of the page: Tab past its last button would leave for the top of it.
      const stops = [...this.open.box.querySelectorAll("button, textarea, input, [tabindex='0']")];
      const last = event.shiftKey ? stops[0] : stops.at(-1);
      if (event.target === last || (event.shiftKey && event.target === this.open.box)) {
        event.preventDefault();
        (event.shiftKey ? stops.at(-1) : stops[0]).focus();
      }
      event.stopPropagation();
    } else if (event.target === this.open.box && this.open.spec.kind === "findings" && (event.keyCode === 229 || event.key.startsWith("Arrow") || ["Delete", "Backspace", "F2"].includes(event.key) || (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey))) {
      // A figure typed while the pop-up took the focus belongs to the sheet: nothing typed is lost.
      event.stopPropagation();
      this.ctl.typeOn(event);
    } else if (!event.ctrlKey && !event.metaKey) event.stopPropagation(); // undo and redo work from here too
  }
}

/** The official pop-up for the warnings of one action, beside the cell `at`; it leaves that, the finding's other cells and what was `typed` in sight. */
export function findingsDialog(ctl, findings, at = findings[0]?.cells[0], typed = at) {
  const { model } = ctl;
  const cells = [at, typed, ...(findings.find((finding) => finding.cells.includes(at))?.cells ?? [])];
  const shown = findings.filter((finding) => finding.state === "open");
  const titles = [...new Set(shown.map((finding) => finding.title))];
  const answers = new Map();
  shown.sort((one, other) => titles.indexOf(one.title) - titles.indexOf(other.title));
  const body = shown.map((finding, index) => {
    const lines = [
      titles.length > 1 && finding.title !== shown[index - 1]?.title && h("h3", { text: finding.title }),
      shown.length > 1 && h("button", { type: "button", class: "lvs-link", text: model.place(finding.cells[0] ?? ""), onclick: () => ctl.jump(finding.cells[0]) }),
      h("p", { text: finding.message }),
      finding.source && h("p", { class: "lvs-source", text: `依据：${finding.source}` }),
    ];
    if (finding.keep === "explain") {
      const text = h("textarea", { class: "lvs-input", rows: 2, maxLength: 500, "aria-label": `情况说明：${model.place(finding.cells[0] ?? "")}`, placeholder: "此项须写明原因（只写“核实无误”不予接受），也可稍后在核验问题中填写" });
      answers.set(finding.id, text);
      lines.push(text);
    }
    if (finding.fixWords) lines.push(h("button", { type: "button", class: "lvs-button", text: finding.fixWords, onclick: () => ctl.dialogs.close(() => ctl.fix(finding)) }));
    return h("section", { data: { finding: finding.id } }, ...lines.filter(Boolean));
  });
  const keep = () => {
    for (const finding of shown) {
      const now = model.findings.get(finding.id);
      if (!now || now.hash !== finding.hash || now.state !== "open") continue;
      if (finding.keep === "confirm") ctl.note(finding, "confirm", "");
      else if (answers.get(finding.id)?.value.trim()) ctl.note(finding, "explain", answers.get(finding.id).value.trim());
    }
  };
  return {
    kind: "findings", findings: shown, title: titles[0] + (shown.length > 1 ? `（${shown.length} 条）` : ""), body, words: shown.map((finding) => finding.message).join(" "),
    at, typed, cells, anchor: () => ctl.elementOf(at), dismiss: keep,
    buttons: [["返回修改", () => ctl.jump(at, { edit: true })], ["数据无误，继续填报", keep, true]],
    merge: (more) => {
      const ids = new Set(more.findings.map((finding) => finding.id));
      const still = shown.filter((finding) => !ids.has(finding.id) && model.findings.get(finding.id)?.state === "open");
      return findingsDialog(ctl, [...still, ...more.findings], more.at, more.typed);
    },
  };
}

/** 换算数值 or 保留数值, when a row with figures gets another unit. */
export function unitDialog(ctl, { address, from, to, choose }) {
  return {
    kind: "unit", title: `计量单位由“${from}”改为“${to}”`, anchor: () => ctl.elementOf(address), dismiss: () => choose(null), words: "请选择换算数值或保留数值。",
    body: [h("p", { text: `“${ctl.model.name(ctl.model.row(address))}”已填有数值。换算数值：按两个单位的比例改写已填的数值；保留数值：数值不变，只改单位。` })],
    buttons: [["取消", () => choose(null)], ["保留数值", () => choose(false)], ["换算数值", () => choose(true), true]],
  };
}

/** Two people changed one cell: both values, and a choice. */
export function conflictDialog(ctl, conflicts, by) {
  const entries = Object.entries(conflicts);
  const take = (address, mine) => ctl.settle(address, mine);
  const words = (text) => (text === "" ? "（空）" : text);
  return {
    kind: "conflict", title: entries.length > 1 ? `${entries.length} 个单元格已被他人修改` : "该单元格已被他人修改", anchor: () => ctl.elementOf(entries[0][0]), dismiss: () => entries.forEach(([address]) => take(address, false)),
    words: entries.map(([address, [theirs, yours]]) => `${ctl.model.place(address)}：对方填写 ${words(theirs)}，您填写 ${words(yours)}。`).join(" "),
    body: entries.map(([address, [theirs, yours]]) =>
      h("section", { data: { conflict: address } },
        h("p", {}, h("strong", { text: ctl.model.place(address) }), by ? `（${by}）` : ""),
        h("dl", { class: "lvs-both" }, h("dt", { text: "对方填写" }), h("dd", { text: words(theirs) }), h("dt", { text: "您填写" }), h("dd", { text: words(yours) })))),
    buttons: [
      ["采用对方的数值", () => entries.forEach(([address]) => take(address, false))],
      ["采用我填的数值", () => entries.forEach(([address]) => take(address, true)), true],
    ],
  };
}

/** 验证并保存 did not pass: counts and the first messages, each with a jump. */
export function failureDialog(ctl, result) {
  const { model } = ctl;
  const open = [...model.findings.values()]
    .filter((finding) => finding.level === "error" || (finding.level === "warning" && finding.state === "open"))
    .sort((one, other) => (one.level === other.level ? model.order(one.cells[0] ?? "") - model.order(other.cells[0] ?? "") : one.level === "error" ? -1 : 1))
    .slice(0, 10);
  const lines = open.length
    ? open.map((finding) => h("li", {}, levelChip(finding.level), h("div", {}, finding.cells[0] && h("button", { type: "button", class: "lvs-link", text: model.place(finding.cells[0]), onclick: () => ctl.dialogs.close(() => ctl.jump(finding.cells[0])) }), h("span", { text: finding.rule === "required" ? " 没有填写" : ` ${finding.message}` }))))
    : (result.messages ?? []).slice(0, 10).map((message) => h("li", { text: message }));
  const total = (result.errors ?? 0) + (result.warnings ?? 0);
  const first = open[0]?.cells[0] ?? result.first;
  return {
    kind: "failure", title: "校验错误：未通过验证", anchor: () => null, dismiss: () => first && ctl.jump(first), words: `${result.errors ?? 0} 个错误，${result.warnings ?? 0} 个警告未处理。`,
    body: [
      h("p", { class: "lvs-failure-counts" }, levelChip("error", String(result.errors ?? 0)), levelChip("warning", `${result.warnings ?? 0} 条未处理`)),
      h("p", { text: "已填内容已经保存。请检查表单中标红的单元格，改正错误，并对警告逐条核实或说明，然后再次点击“验证并保存”。" }),
      h("ol", { class: "lvs-failure" }, ...lines),
      total > lines.length && lines.length > 0 && h("p", { class: "lvs-source", text: `以上为前 ${lines.length} 条，其余见右侧“核验问题”。` }),
    ].filter(Boolean),
    buttons: [["查看核验问题", () => ctl.togglePanel(true)], ["转到第一处", () => first && ctl.jump(first), true]],
  };
}
