// The findings panel (核验问题): counts by level, by rule or by cell, a jump per cell, the explanation typed in place.

import { h, LEVELS, levelChip, uniqueId } from "./dom.js";

const GROUPS = { required: "必填项未填", unit: "计量单位", choice: "选项", length: "文字过长", pattern: "格式" };
const SHOWN = 30; // findings drawn per group before 显示其余

export class FindingsPanel {
  constructor(ctl) {
    this.ctl = ctl;
    this.model = ctl.model;
    this.by = "rule";
    this.opened = new Set(); // groups shown whole
    this.drafts = new Map(); // finding id + hash → text being typed
    this.counts = h("div", { class: "lvs-panel-counts" });
    this.list = h("div", { class: "lvs-panel-list", tabindex: "0", role: "region", "aria-label": "核验问题清单" });
    const switches = h("div", { class: "lvs-switch", role: "group", "aria-label": "排列方式" }, ...[["rule", "按规则"], ["cell", "按单元格"]].map(([by, text]) =>
      h("button", { type: "button", text, data: { by }, "aria-pressed": String(by === this.by), onclick: () => this.#arrange(by) })));
    this.switches = switches;
    this.root = h("aside", { class: "lvs-panel", "aria-label": "核验问题", id: uniqueId("panel") },
      h("div", { class: "lvs-panel-head" }, h("h2", { text: "核验问题" }), h("button", { type: "button", class: "lvs-icon-button", "aria-label": "收起核验问题", text: "×", onclick: () => ctl.togglePanel(false) })),
      this.counts, switches, this.list);
    this.list.addEventListener("toggle", (event) => {
      const key = event.target.dataset?.group;
      if (key) this.opened[event.target.open ? "add" : "delete"](`open:${key}`);
    }, true);
  }

  /** An explanation that was refused stays in its box. */
  giveBack({ finding, hash, text }) {
    if (text) this.drafts.set(`${finding}|${hash}`, text);
    this.render();
  }

  #arrange(by) {
    this.by = by;
    for (const button of this.switches.children) button.setAttribute("aria-pressed", String(button.dataset.by === by));
    this.render();
  }

  render() {
    const [errors, warnings, notes] = this.model.tally();
    this.counts.replaceChildren(levelChip("error", String(errors)), levelChip("warning", String(warnings)), levelChip("note", String(notes)));
    if (!this.root.isConnected || this.root.hidden) return;
    const kept = this.list.contains(document.activeElement) ? document.activeElement.dataset.keep : null;
    const scrolled = this.list.scrollTop;
    const all = [...this.model.findings.values()].sort((one, other) => LEVELS[one.level].rank - LEVELS[other.level].rank || this.model.order(one.cells[0] ?? "") - this.model.order(other.cells[0] ?? ""));
    const handled = all.filter((finding) => finding.level === "warning" && finding.state !== "open");
    const open = all.filter((finding) => finding.level !== "note" && finding.state === "open" || finding.level === "error");
    const blocks = [
      this.model.readonly && handled.length && this.#folded("handled", `已核实或已说明的警告（${handled.length}）`, handled, true),
      ...this.#groups(open),
      !open.length && h("p", { class: "lvs-panel-none", text: "没有未处理的错误和警告。" }),
      !this.model.readonly && handled.length && this.#folded("handled", `已核实或已说明的警告（${handled.length}）`, handled),
      notes > 0 && this.#folded("notes", `提示（${notes}）`, all.filter((finding) => finding.level === "note")),
    ];
    this.list.replaceChildren(...blocks.filter(Boolean));
    this.list.scrollTop = scrolled;
    if (kept) this.list.querySelector(`[data-keep="${CSS.escape(kept)}"]`)?.focus({ preventScroll: true });
  }

  #groups(findings) {
    const groups = new Map();
    for (const finding of findings) {
      const key = this.by === "rule" ? `${finding.level}|${GROUPS[finding.rule] ?? finding.title}` : (finding.cells[0] ?? "");
      if (!groups.has(key)) groups.set(key, []);
      groups.get(key).push(finding);
    }
    return [...groups].map(([key, members]) => {
      const words = this.by === "rule" ? `${GROUPS[members[0].rule] ?? members[0].title}（${members.length}）` : this.model.place(key);
      return h("section", { class: "lvs-group" }, h("h3", {}, levelChip(members[0].level), h("span", { text: words })), ...this.#some(key, members));
    });
  }

  #folded(key, title, findings, open = this.opened.has(`open:${key}`)) {
    return h("details", { class: "lvs-fold", data: { group: key }, open: open || undefined }, h("summary", { text: title }), ...this.#some(key, findings));
  }

  #some(key, findings) {
    const shown = this.opened.has(key) ? findings : findings.slice(0, SHOWN);
    const rest = findings.length - shown.length;
    return [
      ...shown.map((finding) => this.#item(finding)),
      rest > 0 && h("button", { type: "button", class: "lvs-link", text: `显示其余 ${rest} 条`, onclick: () => (this.opened.add(key), this.render()) }),
    ].filter(Boolean);
  }

  #item(finding) {
    const { ctl, model } = this;
    const main = finding.cells[0];
    const item = h("article", { class: `lvs-item lvs-item-${finding.level}`, data: { finding: finding.id, state: finding.state } });
    if (main) item.append(h("button", { type: "button", class: "lvs-link lvs-place", text: model.place(main), "aria-label": `转到 ${model.place(main)}`, data: { keep: `jump:${finding.id}` }, onclick: () => ctl.jump(main) }));
    if (finding.rule === "required" && this.by === "rule") {
      item.classList.add("lvs-item-short"); // the heading says it: 必填项未填
      return item;
    }
    item.append(h("p", { text: finding.message }));
    if (finding.source) item.append(h("p", { class: "lvs-source", text: `依据：${finding.source}` }));
    if (finding.state !== "open")
      item.append(h("p", { class: "lvs-kept" }, finding.state === "explained" ? `已说明：${finding.note}` : "已核实：数据无误", finding.noteBy ? `（${finding.noteBy}）` : ""));
    if (model.readonly) return item;
    const buttons = h("div", { class: "lvs-buttons" });
    if (finding.fixWords) buttons.append(h("button", { type: "button", class: "lvs-button", text: finding.fixWords, onclick: () => ctl.fix(finding) }));
    if (finding.level === "warning") this.#answer(finding, item, buttons);
    if (buttons.childElementCount) item.append(buttons);
    return item;
  }

  #answer(finding, item, buttons) {
    if (finding.keep === "confirm" && finding.state === "open")
      buttons.append(h("button", { type: "button", class: "lvs-button", text: "数据无误", "aria-label": `数据无误：${this.model.place(finding.cells[0] ?? "")}`, data: { keep: `confirm:${finding.id}` }, onclick: () => this.ctl.note(finding, "confirm", "") }));
    const key = `${finding.id}|${finding.hash}`;
    const box = h("textarea", {
      class: "lvs-input lvs-explain", rows: 2, maxLength: 500, value: this.drafts.get(key) ?? finding.note ?? "", data: { keep: `text:${finding.id}` },
      "aria-label": `情况说明：${this.model.place(finding.cells[0] ?? "")}`, placeholder: finding.keep === "explain" ? "请说明原因（必填，只写“核实无误”不予接受）" : "可在此说明原因",
    });
    box.addEventListener("input", () => this.drafts.set(key, box.value));
    item.append(box);
    buttons.append(h("button", {
      type: "button", class: "lvs-button", text: "保存说明", "aria-label": `保存说明：${this.model.place(finding.cells[0] ?? "")}`, data: { keep: `save:${finding.id}` },
      onclick: () => {
        if (!box.value.trim()) {
          box.focus();
          this.ctl.say("请先写明原因，再保存说明。");
          return;
        }
        this.drafts.delete(key);
        this.ctl.note(finding, "explain", box.value.trim());
      },
    }));
  }
}
