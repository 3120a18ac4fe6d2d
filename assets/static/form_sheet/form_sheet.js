// FormSheet: the whole 动态管理表 as one component. This file owns the flow: an action of the person → one event → one answer →
// paint in place. The drawing is in fields.js, grid.js, panel.js and dialogs.js, the state in model.js and outbox.js.

import { conflictDialog, Dialogs, failureDialog, findingsDialog, unitDialog } from "lvce-sheet/dialogs.js";
import { h, levelChip, LEVELS, overlap, placeBeside } from "lvce-sheet/dom.js";
import { FieldParts } from "lvce-sheet/fields.js";
import { SheetGrid } from "lvce-sheet/grid.js";
import { countBy, LONGEST_TEXT, Model } from "lvce-sheet/model.js";
import { forgetAll, Outbox } from "lvce-sheet/outbox.js";
import { FindingsPanel } from "lvce-sheet/panel.js";

const WIDE = 1500; // px of window width from which the findings panel is open by itself
const UNDO_STEPS = 200;
const idle = window.requestIdleCallback ?? ((act) => setTimeout(act, 60));

const styled = new Promise((done) => {
  const link = h("link", { rel: "stylesheet", href: import.meta.resolve("lvce-sheet/form_sheet.css"), onload: done, onerror: done });
  document.head.append(link);
});

class Controller {
  constructor(root, props, emit) {
    this.root = root;
    this.emit = emit;
    this.props = props;
    this.full = JSON.parse(props.sheetJson);
    this.model = new Model(JSON.parse(props.layoutJson), this.full);
    this.undone = [];
    this.doneActions = [];
    this.flights = new Map(); // seq → what to say when it has landed
    this.references = new Map();
    this.patches = 0;
    this.here = null; // address last focused
    this.inGrid = false;
    this.quietUntil = 0;
    this.leaving = false;
    this.outbox = new Outbox(`lvce:sheet:${this.full.filingId}:${this.full.userId}`, {
      send: (kind, body) => this.emit(kind, body), changed: () => this.#mark(), personal: (address) => Boolean(this.model.row(address)?.personal),
    });
    if (!this.model.readonly) this.model.setPending(this.outbox.items);
    window.__sheet = this.#probe();
  }

  /** Counters that tests and benches wait for. */
  #probe() {
    const ctl = this;
    return {
      get ready() { return ctl.root.dataset.ready === "1"; },
      get sent() { return ctl.outbox.sent; },
      get acked() { return ctl.outbox.acknowledged; },
      get pending() { return ctl.outbox.items.length; },
      get patches() { return ctl.patches; },
      get state() { return ctl.outbox.state; },
    };
  }

  // --- drawing ---------------------------------------------------------------------------------------------------------

  draw() {
    const { layout } = this.model;
    this.fields = new FieldParts(this);
    this.dialogs = new Dialogs(this);
    this.layer = h("div", { class: "lvs-layer" });
    this.live = h("div", { class: "lvs-hidden", role: "status", "aria-live": "polite" });
    this.saved = h("div", { class: "lvs-saved", role: "status", "aria-live": "polite", data: { saved: "" } });
    this.tabs = new Map();
    const nav = h("nav", { class: "lvs-nav", "aria-label": "表单各部分" }, ...layout.parts.map((part) => {
      const count = h("span", { class: "lvs-nav-count" });
      const button = h("button", { type: "button", data: { part: part.key }, onclick: (event) => this.toPart(part.key, { enter: event.detail === 0 }) }, h("span", { text: part.title }), count);
      this.tabs.set(part.key, { button, count });
      return button;
    }));
    this.panelButton = h("button", { type: "button", class: "lvs-panel-button", "aria-expanded": "false", onclick: () => this.togglePanel() });
    this.bar = h("div", { class: "lvs-bar-text", tabindex: "-1" });
    this.barMore = h("button", { type: "button", class: "lvs-link lvs-bar-more", title: "Shift+F2", onclick: () => this.toggleBar() });
    this.barSide = h("div", { class: "lvs-bar-side" });
    const cellbar = h("div", { class: "lvs-cellbar", role: "region", "aria-label": "当前单元格" }, (this.barBox = h("div", { class: "lvs-bar" }, this.bar, this.barSide)));
    this.notice = h("div", { class: "lvs-notices", role: "status", "aria-live": "polite" });
    this.scroller = h("div", { class: "lvs-scroller", tabindex: "-1" });
    this.parts = new Map();
    const grids = [];
    for (const part of layout.parts) {
      const body = part.layout === "grid" ? (grids.push((this.grid = new SheetGrid(this, part))), this.grid.host) : this.fields.build(part);
      const section = h("section", { class: "lvs-part", "aria-label": part.title, data: { part: part.key } }, h("h2", { class: "lvs-part-title", text: part.title }), part.layout === "grid" && part.note ? h("p", { class: "lvs-note", text: part.note }) : null, body);
      this.parts.set(part.key, section);
      this.scroller.append(section);
    }
    this.main = h("div", { class: "lvs-main" }, this.scroller, cellbar);
    this.body = h("div", { class: "lvs-body" }, this.main);
    this.#fit(); // while the page is still empty: measuring it later would lay everything out once more
    this.root.append(h("div", { class: "lvs-top" }, nav, this.saved, this.panelButton), this.body, this.notice, this.live, this.layer);
    this.grid?.draw();
    this.#progress();
    this.#mark();
    this.tabs.values().next().value?.button.setAttribute("aria-current", "true");
    this.#counts();
    this.#describe(null);
    this.#listen();
    if (this.model.readonly) this.#tellUnsaved();
    else this.outbox.replay(), this.#tellLost();
    idle(async () => {
      this.panel = new FindingsPanel(this);
      if (document.documentElement.clientWidth >= WIDE) this.togglePanel(true);
      await this.grid?.whole;
      if (this.off.signal.aborted) return;
      this.#restoreDraft();
      this.root.dataset.ready = "1";
      this.emit("ready", {});
    });
  }

  destroy() {
    this.off?.abort();
    this.sizes?.disconnect();
    this.above?.disconnect();
    clearTimeout(this.outbox.timer);
    this.dialogs?.drop();
    this.grid?.destroy();
    for (const [name, act] of this.socketHandlers ?? []) window.socket?.off(name, act);
  }

  /** As high as the window leaves room for, so that only the sheet scrolls, not the page as well. */
  #fit() {
    const top = this.root.getBoundingClientRect().top + window.scrollY;
    const high = window.innerHeight - Math.min(top, window.innerHeight * 0.5) - 16;
    this.root.style.height = `${Math.max(420, high)}px`;
    const over = document.documentElement.scrollHeight - window.innerHeight; // padding of the page below us
    if (over > 0 && over < 64) this.root.style.height = `${Math.max(420, high - over)}px`;
  }

  /** The sheet got another width (a panel was folded): fit in, and keep the current cell in sight. */
  #resized() {
    const wide = this.root.clientWidth;
    if (wide === this.wide) return;
    this.wide = wide;
    this.#fit();
    this.grid?.fit();
    if (this.here) requestAnimationFrame(() => this.elementOf(this.here)?.scrollIntoView({ block: "nearest" }));
  }

  #listen() {
    this.wide = this.root.clientWidth;
    this.off = new AbortController();
    const on = (target, name, act, options = {}) => target.addEventListener(name, act, { ...options, signal: this.off.signal });
    on(window, "resize", () => (this.#fit(), this.dialogs.reposition()));
    // In a tab that is hidden the scroller loses its place, and the sheet its measure.
    let place = 0;
    let away = false;
    this.sizes = new ResizeObserver(() => {
      const hidden = !this.scroller.clientHeight;
      if (away && !hidden) {
        this.#fit();
        this.scroller.scrollTop = place;
      }
      away = hidden;
      if (!hidden) this.#resized();
    });
    this.sizes.observe(this.scroller);
    // A notice above that comes or goes moves the sheet.
    this.above = new ResizeObserver(() => this.scroller.clientHeight && this.#fit());
    const panels = this.root.closest(".q-tab-panels");
    for (const other of panels?.parentElement.children ?? []) if (other !== panels) this.above.observe(other);
    on(this.scroller, "scroll", () => {
      if (this.scroller.clientHeight && !away) place = this.scroller.scrollTop;
      if (this.frame) return;
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.dialogs.reposition();
        this.#spy();
      });
    }, { passive: true });
    on(this.root, "keydown", (event) => this.#key(event));
    on(window, "lvce:logout", () => (this.outbox.clear(), forgetAll()));
    on(window, "beforeunload", (event) => {
      this.leaving = true;
      setTimeout(() => (this.leaving = false), 1000);
      // After a restart of the server NiceGUI reloads the page by itself; the outbox survives that, so nobody is asked then.
      if (this.outbox.items.length && Date.now() > this.quietUntil) event.preventDefault();
    });
    const watch = () => {
      if (this.off.signal.aborted) return;
      if (!window.socket) return void setTimeout(watch, 20);
      const quiet = () => (this.quietUntil = Date.now() + 5000);
      this.socketHandlers = [
        ["disconnect", () => this.outbox.setOnline(false)],
        ["connect", () => {
          quiet();
          if (this.outbox.online) return;
          this.outbox.setOnline(true);
          this.outbox.replay();
        }],
        ["connect_error", quiet],
        ["try_reconnect", quiet],
      ];
      for (const [name, act] of this.socketHandlers) window.socket.on(name, act);
    };
    watch();
  }

  #key(event) {
    const command = (event.ctrlKey || event.metaKey) && !event.altKey;
    if (event.key === "Escape" && this.escape()) event.preventDefault();
    if (event.key === "Enter" && event.target.matches("input, select, textarea") && this.scroller.contains(event.target) && this.pick()) event.preventDefault();
    if (event.key === "F2" && event.shiftKey) event.preventDefault(), this.toggleBar();
    if (!command) return;
    const key = event.key.toLowerCase();
    if (key === "s") {
      event.preventDefault();
      document.activeElement?.dispatchEvent(new Event("change", { bubbles: true }));
      this.save();
    } else if (key === "z" || key === "y") {
      const input = event.target;
      const typing = input.matches?.("textarea, input[type=text]") && (this.here === null || input.dataset.address === undefined || this.fields.controls.get(input.dataset.address)?.last !== input.value);
      if (typing) return; // the browser's own undo of what is being typed
      event.preventDefault();
      if (key === "z" && !event.shiftKey) this.undo();
      else this.redo();
    }
  }

  /** A reviewer asks about the current cell; false where nobody may. */
  pick(address = this.here) {
    if (!this.full.pickable || !address) return false;
    this.emit("pick", { address });
    return true;
  }

  /** Esc outside an editor closes the pop-up, wherever the focus is, or folds the line under the sheet. */
  escape() {
    if (!this.dialogs.open && this.barBox.classList.contains("lvs-bar-open")) return this.toggleBar(false), true;
    if (!this.dialogs.open) return false;
    this.dialogs.close(this.dialogs.open.spec.dismiss);
    return true;
  }

  /** The form was closed while edits were on their way: show them, so that nothing is lost in silence. */
  #tellUnsaved() {
    const changes = this.outbox.items.filter((item) => item.kind === "cells").flatMap((item) => item.body.changes);
    if (!changes.length) return;
    this.tell("warning", `有 ${changes.length} 处修改没有保存：${this.model.readonlyReason}`, changes.map(({ a, t }) => `${this.model.place(a)}：${t || "（清空）"}`), () => this.outbox.clear());
  }

  /** Personal texts that were on their way when the page went: they are not written down here, so they must be typed again. */
  #tellLost() {
    const places = [...new Set(this.outbox.lost)].filter((address) => this.model.row(address)).map((address) => this.model.place(address));
    this.outbox.told();
    if (places.length) this.tell("warning", "页面重新载入前，下列内容可能没有保存，请核对", places.map((place) => `${place}：属于个人信息，浏览器不留存，如与刚才填写的不同请重新填写。`));
  }

  #restoreDraft() {
    const draft = this.outbox.draft;
    if (!draft || this.model.lockReason(draft.a) || draft.t === this.model.text(draft.a)) return;
    const place = this.grid?.place(draft.a);
    if (place) {
      this.grid.go(place);
      this.grid.edit({ text: draft.t });
      this.grid.element(draft.a)?.scrollIntoView({ block: "center" });
    } else if (this.fields.has(draft.a)) {
      this.fields.focus(draft.a);
      const input = this.fields.element(draft.a);
      if (input.matches("input, textarea")) input.value = draft.t;
    }
  }

  // --- what the person does ---------------------------------------------------------------------------------------------

  /** One cell; a unit with figures asks first whether to convert them. `seen`: what stood there when the person began. */
  commitOne(address, text, seen = this.model.text(address)) {
    const row = this.model.row(address);
    const from = this.model.text(address);
    if (!row || text === from) return this.repaint([address]);
    if (this.model.slot(address) !== "unit" || !from || !text) return this.commit([{ a: address, t: text, b: seen }], "typed");
    const figures = [...this.model.rows.values()].filter((one) => one === row || one.unitOf === row.key).flatMap((one) => this.model.values(one)).filter((one) => this.model.text(one));
    if (!figures.length || !row.convertible?.[from]?.includes(text)) return this.commit([{ a: address, t: text }], "typed");
    this.dialogs.show(unitDialog(this, {
      address, from, to: text,
      choose: (convert) => {
        if (convert === null) return this.repaint([address]);
        this.commit([{ a: address, t: text, c: convert }], convert ? "convert" : "typed", { figures: convert ? figures : [] });
      },
    }));
    return undefined;
  }

  /** Everything one action changed: one event, one undo step, one message. */
  commit(changes, source, { refused = new Map(), figures = [], remember = true } = {}) {
    for (const { a, t } of changes) if (t.length > LONGEST_TEXT) refused.set(this.model.place(a), `文字有 ${t.length} 字，一格最多 ${LONGEST_TEXT} 字。请精简，或作为附件上传。`);
    const real = changes.filter(({ t }) => t.length <= LONGEST_TEXT).filter(({ a, t, c }) => t !== this.model.text(a) || c).map(({ a, t, b = this.model.text(a), c }) => ({ a, t, b, c: Boolean(c) }));
    if (!real.length) {
      if (refused.size) this.#tellRefused(refused, 0, source);
      return;
    }
    const action = { source, changes: real.map(({ a, t, b, c }) => ({ a, before: b, after: t, c })), figures: figures.map((a) => ({ a, before: this.model.text(a) })) };
    if (remember) {
      this.doneActions.push(action);
      if (this.doneActions.length > UNDO_STEPS) this.doneActions.shift();
      this.undone = [];
    }
    const seq = this.outbox.add("cells", { source, changes: real });
    this.flights.set(seq, { source, refused, count: real.length, action });
    this.repaint(this.model.setPending(this.outbox.items));
  }

  undo() {
    const action = this.doneActions.pop();
    if (!action) return this.say("没有可以撤销的操作。");
    this.undone.push(action);
    this.commit([...action.changes.map(({ a, before }) => ({ a, t: before })), ...action.figures.map(({ a, before }) => ({ a, t: before }))], "undo", { remember: false });
    return this.#show(action);
  }

  redo() {
    const action = this.undone.pop();
    if (!action) return this.say("没有可以恢复的操作。");
    this.doneActions.push(action);
    this.commit(action.changes.map(({ a, after, c }) => ({ a, t: after, c })), "redo", { remember: false });
    return this.#show(action);
  }

  #show(action) {
    const address = action.changes[0].a;
    const place = this.grid?.place(address);
    if (place && this.fields.has(address) === false) {
      const last = this.grid.place(action.changes.at(-1).a);
      this.grid.go(place);
      if (action.changes.length > 1 && last) this.grid.go(last, { extend: true });
    } else this.fields.focus(address);
  }

  /** Answer a warning: action is confirm (数据无误) or explain. */
  note(finding, action, text) {
    this.outbox.add("note", { finding: finding.id, hash: finding.hash, action, text });
  }

  fix(finding) {
    const cells = Object.keys(finding.fixTexts ?? {});
    const action = { source: "fix", changes: cells.map((a) => ({ a, before: this.model.text(a), after: finding.fixTexts[a] })), figures: [] };
    if (cells.length) this.doneActions.push(action), (this.undone = []);
    this.outbox.add("fix", { finding: finding.id });
  }

  /** A conflict: ours goes on top of theirs, or theirs stays. */
  settle(address, mine) {
    const pair = this.model.conflicts.get(address);
    this.model.conflicts.delete(address);
    if (pair && mine) this.commit([{ a: address, t: pair[1] }], "typed");
    this.repaint([address]);
  }

  save() {
    this.emit("save", {});
  }

  draft(draft) {
    this.outbox.keepDraft(draft);
  }

  /** Is somebody in the middle of a text? Then nothing may take the focus. */
  typing() {
    if (this.grid?.editor) return true;
    const input = document.activeElement;
    return Boolean(input && this.root.contains(input) && input.matches("textarea:not(.lvs-catcher), input[type=text]") && !this.dialogs.open?.box.contains(input) && (input.dataset.address === undefined || this.fields.controls.get(input.dataset.address)?.last !== input.value));
  }

  editorClosed() {
    this.grid?.fit();
    if (this.dialogs.open) this.dialogs.attend();
  }

  returnFocus() {
    if (this.inGrid) this.grid?.focusCurrent();
    else if (this.here) this.fields.element(this.here)?.focus({ preventScroll: true });
  }

  typeOn(event) {
    this.returnFocus();
    if (this.inGrid) this.grid.forward(event);
  }

  clipboardOn(event) {
    this.returnFocus();
    if (this.inGrid) this.grid.clipboard(event);
  }

  jump(address, { edit = false } = {}) {
    if (!address) return;
    const place = this.fields.has(address) ? null : this.grid?.place(address);
    if (place) {
      this.grid.element(address)?.scrollIntoView({ block: "center", inline: "nearest" });
      this.grid.go(place);
      if (edit) this.grid.edit();
    } else this.fields.focus(address);
    this.emit("jump", { address });
  }

  elementOf(address) {
    return address ? (this.fields.element(address) ?? this.grid?.element(address)) : null;
  }

  /** Scroll to a part; `enter`: by the keyboard, which then goes on in its first field or in the current cell. */
  toPart(key, { enter = false } = {}) {
    const part = this.parts.get(key);
    if (part) this.scroller.scrollTop += part.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top;
    this.#spy();
    if (!enter || !part) return;
    if (this.grid?.host.parentElement === part) this.grid.focusCurrent();
    else part.querySelector("input, select, textarea")?.focus({ preventScroll: true });
  }

  // --- what the server says ---------------------------------------------------------------------------------------------

  patch(patch) {
    this.patches++;
    const item = Number.isInteger(patch.ack) ? this.outbox.acknowledge(patch.ack) : undefined;
    if (Number.isInteger(patch.nack)) {
      const refused = this.outbox.fail(patch.nack, patch.why ?? "");
      if (refused?.kind === "note") this.panel?.giveBack(refused.body);
    }
    const touched = this.model.take(patch);
    const answered = new Set([...(patch.gone ?? []), ...(patch.found ?? []).filter((finding) => finding.state !== "open").map((finding) => finding.id)]);
    if (answered.size && this.outbox.items.some((one) => one.kind === "note")) this.outbox.drop((one) => one.kind === "note" && answered.has(one.body.finding));
    for (const address of this.model.setPending(this.outbox.items)) touched.add(address);
    this.repaint(touched);
    this.#progress();
    this.#mark();
    this.#counts();
    const flight = this.flights.get(patch.ack);
    this.flights.delete(patch.ack);
    if (item && Object.keys(patch.conflicts ?? {}).length) this.dialogs.show(conflictDialog(this, patch.conflicts, patch.by));
    if (item?.kind === "cells" || item?.kind === "fix") this.#landed(patch, flight);
    else if (item?.kind === "note" && Object.keys(patch.refused ?? {}).length) this.tell("warning", "说明未被接受", Object.values(patch.refused));
    if (this.here !== null) this.#describe(this.here);
    if (!this.dialogs.open || this.dialogs.open.spec.kind !== "findings") return;
    const still = this.dialogs.open.spec.findings.some((finding) => this.model.findings.get(finding.id)?.state === "open");
    if (!still) this.dialogs.close();
  }

  /** What an import wrote from this page: one undo step; cells that somebody else changed meanwhile are asked about. */
  imported(patch, changes) {
    this.doneActions.push({ source: "import", changes, figures: [] });
    this.undone = [];
    this.patch(patch);
    if (Object.keys(patch.conflicts ?? {}).length) this.dialogs.show(conflictDialog(this, patch.conflicts, ""));
    if (changes.length) this.#show(this.doneActions.at(-1));
  }

  #landed(patch, flight) {
    if (["undo", "redo"].includes(flight?.source)) this.refusedNotice?.remove(); // it told of what is taken back
    const refused = new Map(flight?.refused ?? []);
    for (const [address, sentence] of Object.entries(patch.refused ?? {})) refused.set(this.model.place(address), sentence);
    if (refused.size) this.#tellRefused(refused, (flight?.count ?? 0) - Object.keys(patch.refused ?? {}).length, flight?.source ?? "typed");
    if (this.model.readonly) return;
    const found = (patch.found ?? []).filter((finding) => finding.level === "warning" && finding.popup !== false && finding.state === "open");
    if (!found.length) return;
    const typed = flight?.action.changes.map(({ a }) => a) ?? [];
    this.dialogs.show(findingsDialog(this, found, typed.find((a) => found.some(({ cells }) => cells.includes(a))), typed[0]));
  }

  #tellRefused(refused, taken, source) {
    const verb = { paste: "粘贴", undo: "撤销", redo: "恢复" }[source] ?? "填入";
    const lines = [...refused].map(([place, sentence]) => `${place}：${sentence}`);
    this.refusedNotice = this.tell("warning", `${taken > 0 ? `已${verb} ${taken} 格；` : ""}${refused.size} 处未${verb}`, lines);
  }

  setReadonly(readonly, reason = "") {
    this.model.readonly = Boolean(readonly);
    if (reason) this.model.readonlyReason = reason;
    this.#everything();
  }

  setMarks({ questions, changed }) {
    if (questions) this.model.questions = countBy(questions);
    if (changed) this.model.changed = new Set(changed);
    this.#everything();
  }

  resync(full) {
    this.full = { ...this.full, ...full };
    this.model.load(this.full);
    this.model.setPending(this.outbox.items);
    this.#everything();
    if (this.outbox.failure) this.outbox.replay(); // what stood in the way is over, signed in again say
  }

  showFailure(result) {
    this.model.strict = true;
    this.#everything();
    this.dialogs.show(failureDialog(this, result));
  }

  #everything() {
    this.fields.paintAll();
    this.grid?.paintAll();
    this.#progress();
    this.#mark();
    this.#counts();
    if (this.here !== null) this.#describe(this.here);
  }

  repaint(addresses) {
    this.grid?.paintAddresses(addresses);
    for (const address of addresses) this.fields.paint(address);
  }

  // --- reference tables -------------------------------------------------------------------------------------------------

  /** Options of a reference table as {value, label}; fetched once per page, cached by the browser. */
  reference(row) {
    if (row.choices?.length) return Promise.resolve(row.choices.map((value) => ({ value, label: value })));
    const name = row.reference || "industries";
    if (!this.references.has(name)) {
      const loading = fetch(`${window.path_prefix ?? ""}/reference/${encodeURIComponent(name)}.json`)
        .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
        .then((rows) => rows.map((entry) => (Array.isArray(entry) ? entry.slice(0, 2).join(" ") : String(entry))).map((value) => ({ value, label: value })))
        .catch(() => (this.references.delete(name), []));
      this.references.set(name, loading);
    }
    return this.references.get(name);
  }

  // --- words around the sheet -------------------------------------------------------------------------------------------

  #mark() {
    if (!this.saved) return;
    const { state } = this.outbox;
    const words = {
      saved: this.model.savedAt && !this.model.readonly ? `已保存 ${this.model.savedAt}` : "",
      saving: "保存中…",
      offline: "未保存（连接中断，恢复后自动保存）",
      failed: `未保存：${this.outbox.failure}`,
    }[state];
    if (this.saved.textContent !== words) this.saved.textContent = words;
    this.saved.title = state === "failed" ? words : "";
    this.saved.dataset.saved = state;
    this.root.dataset.pending = String(this.outbox.items.length);
    if (state === "failed" && !this.retry) {
      this.retry = h("button", { type: "button", class: "lvs-link", text: "重试", onclick: () => this.outbox.replay() });
      this.saved.after(this.retry);
    } else if (state !== "failed" && this.retry) {
      this.retry.remove();
      this.retry = null;
    }
  }

  #progress() {
    for (const [key, filled, required] of this.model.progress) {
      const tab = this.tabs.get(key);
      if (!tab) continue;
      tab.count.textContent = required ? `${filled}/${required}` : "";
      tab.button.classList.toggle("lvs-nav-done", required > 0 && filled >= required);
      tab.count.setAttribute("aria-label", required ? `必填项已填 ${filled} 项，共 ${required} 项` : "");
    }
  }

  #counts() {
    const [errors, warnings, notes] = this.model.tally();
    this.panelButton.replaceChildren(h("span", { text: "核验问题" }), levelChip("error", String(errors)), levelChip("warning", String(warnings)));
    this.panelButton.setAttribute("aria-label", `核验问题：错误 ${errors}，警告 ${warnings}，提示 ${notes}`);
    const words = `错误 ${errors}，警告 ${warnings}`;
    if (this.told !== undefined && this.told !== words) this.announce(words);
    this.told = words;
    if (this.panelFrame || !this.panel) return;
    this.panelFrame = requestAnimationFrame(() => {
      this.panelFrame = 0;
      this.panel?.render();
    });
  }

  togglePanel(open = !(this.panel?.root.isConnected && !this.panel.root.hidden)) {
    if (!this.panel) this.panel = new FindingsPanel(this);
    if (open && !this.panel.root.isConnected) this.body.append(this.panel.root);
    this.panel.root.hidden = !open;
    this.root.classList.toggle("lvs-with-panel", open);
    this.panelButton.setAttribute("aria-expanded", String(open));
    this.panelButton.setAttribute("aria-controls", this.panel.root.id);
    this.panel.render();
  }

  #spy() {
    const line = this.scroller.getBoundingClientRect().top + 60;
    let current = null;
    for (const [key, section] of this.parts) if (current === null || section.getBoundingClientRect().top <= line) current = key;
    if (this.scroller.scrollTop + this.scroller.clientHeight >= this.scroller.scrollHeight - 4 && this.scroller.scrollTop > 0) current = [...this.parts.keys()].at(-1);
    for (const [key, { button }] of this.tabs) {
      if (key === current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  /** A cell or a field got the focus. */
  focused(address, { row, column }) {
    this.here = address;
    this.inGrid = column !== "";
    this.at = { row, column };
    this.toggleBar(false);
    this.#describe(address);
    this.dialogs.makeRoom(this.elementOf(address));
  }

  /** The line under the sheet: place, formula, guidance, findings of the current cell in full. */
  #describe(address) {
    const { model } = this;
    if (!this.at) {
      this.bar.replaceChildren(h("span", { class: "lvs-bar-none", text: "选择一个单元格，这里显示它的填写说明、计算公式和核验问题。" }));
      return;
    }
    const { row } = this.at;
    const say = (text, name = "") => h("span", { class: name, text });
    const first = [h("strong", { text: address ? model.place(address) : model.name(row) })];
    const unit = model.unit(row);
    if (unit && row.kind !== "text") first.push(say(unit, "lvs-bar-unit"));
    const text = address && model.text(address);
    if (text && this.inGrid && text.length > 12 && !["number", "derived"].includes(row.kind)) first.push(say(`“${text}”`));
    if (row.formula && row.kind === "derived") first.push(say(`公式：${row.formula}`));
    else if (address && model.lockReason(address) && !model.readonly) first.push(say(model.lockReason(address)));
    if (address && model.previous[address]) first.push(say(`上年填报：${model.previous[address]}`));
    const findings = address ? model.findingsAt(address).map((finding) => h("p", { class: `lvs-line-${finding.level}` }, levelChip(finding.level), ` ${finding.message}`)) : [];
    const help = [];
    if (row.guidance) help.push(say(row.guidance));
    if (row.emptyWords && !model.readonly) help.push(say("没有此项可填“不涉及”，停产年份可填“停产”。", "lvs-bar-unit"));
    this.bar.replaceChildren(...(findings.length ? [h("p", {}, ...first), ...findings, h("p", {}, ...help)] : [h("p", {}, ...first, ...help)]));
    this.bar.scrollTop = 0;
    const ask = address && this.full.pickable && h("button", { type: "button", class: "lvs-button lvs-pick", text: "对此格提出核实问题", title: "也可按回车键", onclick: () => this.pick(address) });
    this.barSide.replaceChildren(...[ask, this.barMore].filter(Boolean));
    this.barFrame ??= requestAnimationFrame(() => {
      this.barFrame = undefined;
      this.barMore.hidden = this.bar.scrollHeight <= this.bar.clientHeight + 2;
    });
  }

  /** The line under the sheet shows three lines; all of them on demand, over the sheet, so that nothing moves. */
  toggleBar(open = !this.barBox.classList.contains("lvs-bar-open")) {
    if (open && this.barMore.hidden) return;
    this.barBox.classList.toggle("lvs-bar-open", open);
    this.barMore.textContent = open ? "收起" : "展开全部";
    this.barMore.setAttribute("aria-expanded", String(open));
  }

  /** The tooltip over a cell: that there are findings, its formula, or the text that does not fit; the rest stands under the sheet. */
  hover(cell) {
    if (cell === this.hovered) return;
    this.hovered = cell;
    clearTimeout(this.tipTimer);
    this.tip?.remove();
    this.tip = null;
    if (!cell) return;
    this.tipTimer = setTimeout(() => {
      if (!cell.isConnected || this.grid?.editor || this.dialogs.open) return;
      const lines = this.#tipLines(cell);
      if (!lines.length) return;
      this.tip = h("div", { class: "lvs-tip", role: "tooltip", popover: "manual" }, ...lines);
      this.layer.append(this.tip);
      this.tip.showPopover?.();
      placeBeside(this.tip, cell, { gap: 4 });
    }, 350);
  }

  #tipLines(cell) {
    const address = cell.dataset.address;
    const lines = [];
    if (address && address !== this.here) {
      const findings = this.model.findingsAt(address);
      if (findings.length) {
        const [worst] = [...findings].sort((one, other) => LEVELS[one.level].rank - LEVELS[other.level].rank);
        const kept = { explained: `已说明：${worst.note}`, confirmed: "已核实" }[worst.state] ?? worst.title;
        lines.push(h("p", { class: `lvs-tip-line lvs-line-${worst.level}` }, levelChip(worst.level), ` ${kept}${findings.length > 1 ? `，共 ${findings.length} 条` : ""}`));
      }
      const reason = this.model.lockReason(address);
      if (reason && !(this.model.readonly && reason === this.model.readonlyReason)) lines.push(h("p", { text: reason }));
    }
    const value = cell.querySelector(".lvs-value, .ag-cell-value") ?? cell;
    if (value.scrollWidth > value.clientWidth + 1 || value.scrollHeight > value.clientHeight + 2) lines.push(h("p", { text: value.textContent }));
    return lines;
  }

  /** A notice and a pop-up may be there at once: the notice goes to the first corner that the pop-up leaves free. */
  keepApart() {
    const corners = [[], ["lvs-at-top"], ["lvs-at-left"], ["lvs-at-top", "lvs-at-left"]];
    const free = corners.find((corner) => {
      this.notice.classList.remove("lvs-at-top", "lvs-at-left");
      this.notice.classList.add(...corner);
      return !this.dialogs.open || !overlap(this.notice, this.dialogs.open.box);
    });
    if (!free) this.notice.classList.remove("lvs-at-top", "lvs-at-left");
  }

  /** A short hint, gone by itself. */
  say(words) {
    if (!words) return;
    const box = h("div", { class: "lvs-notice" }, h("p", { text: words }));
    this.notice.replaceChildren(box);
    this.keepApart();
    clearTimeout(this.sayTimer);
    this.sayTimer = setTimeout(() => box.remove(), 6000);
  }

  /** A message with a list; it stays until it is dismissed. */
  tell(level, title, lines, dismissed) {
    clearTimeout(this.sayTimer);
    const box = h("div", { class: `lvs-notice lvs-notice-${level}` },
      h("div", { class: "lvs-notice-head" }, levelChip(level), h("strong", { text: title }), h("button", { type: "button", class: "lvs-icon-button", "aria-label": "关闭提示", text: "×", onclick: () => (box.remove(), dismissed?.(), this.returnFocus()) })),
      h("ul", { tabindex: "0" }, ...lines.map((line) => h("li", { text: line }))));
    this.notice.replaceChildren(box);
    this.keepApart();
    return box;
  }

  announce(words) {
    this.live.textContent = words;
  }
}

export default {
  template: `<div class="lvs-root"></div>`,
  props: { layoutJson: String, sheetJson: String },
  async mounted() {
    await styled;
    if (!this.$el?.isConnected) return;
    this.controller = new Controller(this.$el, this.$props, (name, body) => this.$emit(name, body));
    this.controller.draw();
  },
  unmounted() {
    this.controller?.destroy();
  },
  methods: {
    patch(patch) {
      this.then((sheet) => sheet.patch(patch));
    },
    imported(patch, changes) {
      this.then((sheet) => sheet.imported(patch, changes));
    },
    focusCell(address) {
      this.then((sheet) => sheet.jump(address));
    },
    showFailure(result) {
      this.then((sheet) => sheet.showFailure(result));
    },
    setReadonly(readonly, reason) {
      this.then((sheet) => sheet.setReadonly(readonly, reason));
    },
    setMarks(marks) {
      this.then((sheet) => sheet.setMarks(marks));
    },
    resync(full) {
      this.then((sheet) => sheet.resync(full));
    },
    /** Run now, or when the sheet has been drawn. */
    then(act) {
      if (this.controller?.scroller) act(this.controller);
      else if (this.$el) setTimeout(() => this.then(act), 20);
    },
  },
};
