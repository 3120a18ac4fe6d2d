// Part three: indicators × years. AG Grid (community) lays the table out; what makes it a sheet (selection, keyboard, editors,
// clipboard, marks) is here, on plain DOM events, because the community edition has none of it for ranges.

import * as AG from "nicegui-aggrid";
import { formatBlock, parseBlock } from "./clipboard.js";
import { Combo } from "./combo.js";
import { composing, h, LEVELS } from "./dom.js";
import { CHOICE_SEPARATOR, LONGEST_TEXT } from "./model.js";

AG.ModuleRegistry.registerModules([
  AG.ClientSideRowModelModule, AG.CellSpanModule, AG.CellStyleModule, AG.RowStyleModule, AG.LocaleModule, AG.ClientSideRowModelApiModule, AG.RowApiModule,
]);

const ROW_HEIGHT = 32;
const ENTRY = { r: 0, c: 1 }; // the first figure of the first row
const LINE = 15; // px of a line of small text; a row has two of them, or as many as its name, parameter or unit needs
const FIRST_ROWS = 24; // drawn at once; as many follow whenever the browser has painted, so that nobody who types waits long
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const LOCALE = { noRowsToShow: "没有指标", ariaRowSelect: "", loadingOoo: "加载中" };

const theme = AG.themeQuartz.withParams({
  fontFamily: "inherit", fontSize: 13, rowHeight: ROW_HEIGHT, headerHeight: 34, cellHorizontalPadding: 8, wrapperBorderRadius: 0,
  wrapperBorder: false, columnBorder: true, borderColor: "var(--lv-line, #e1e7e4)", foregroundColor: "var(--lv-ink, #1f2a2e)",
  backgroundColor: "var(--lv-surface, #ffffff)", headerBackgroundColor: "var(--head)", headerFontWeight: 600,
  rowHoverColor: "transparent", accentColor: "var(--lv-accent, #1e6b52)", oddRowBackgroundColor: "transparent",
});

export class SheetGrid {
  constructor(ctl, part) {
    this.ctl = ctl;
    this.model = ctl.model;
    this.part = part;
    this.views = new Map(); // "row|column" → {cell, span}
    this.items = [];
    for (const section of part.sections) {
      if (section.title) this.items.push({ id: `title:${section.key}`, title: section.title, level: 1 });
      let group = "";
      section.rows.forEach((row, index) => {
        if ((row.group ?? "") !== group) {
          group = row.group ?? "";
          if (group) this.items.push({ id: `group:${section.key}:${index}`, title: group, level: 2 });
        }
        this.items.push({ id: row.key, row });
      });
    }
    this.rows = this.items.filter((item) => item.row).map((item) => item.row);
    this.spanned = (one, other) => Boolean(one?.row?.parameter && other?.row?.parameter) && one.row.label === other.row.label;
    this.head = null; // the current cell {r, c}
    this.anchor = null; // the other corner of the range
    this.editor = null;
    this.painted = [];
    this.host = h("div", { class: "lvs-grid", data: { ready: "" } });
    // The current cell holds this text box, unseen: whatever is typed, composed (拼音) or inserted lands in it and opens it as
    // the editor, so that not even the first letter is lost.
    this.catcher = h("textarea", { class: "lvs-catcher", rows: 1, tabIndex: -1, autocomplete: "off", spellcheck: "false" });
  }

  draw() {
    const columnDefs = this.#arrange();
    this.host.setAttribute("aria-label", this.part.title);
    this.api = AG.createGrid(this.host, {
      theme, columnDefs, localeText: LOCALE, rowData: this.items.slice(0, FIRST_ROWS), getRowId: (p) => p.data.id,
      getRowHeight: (p) => this.heights.get(p.data.id) ?? ROW_HEIGHT, maintainColumnOrder: true,
      domLayout: "autoHeight", suppressRowVirtualisation: true, suppressColumnVirtualisation: true, ensureDomOrder: true, enableCellSpan: true,
      suppressCellFocus: true, suppressHeaderFocus: true, suppressMovableColumns: true, animateRows: false, suppressColumnMoveAnimation: true,
      isFullWidthRow: (p) => !p.rowNode.data.row, fullWidthCellRenderer: TitleRow,
      rowClassRules: {
        "lvs-derived-row": (p) => p.data.row?.kind === "derived",
        ...Object.fromEntries([3, 4, 5, 6].map((lines) => [`lvs-lines-${lines}`, (p) => this.#lines(p.data.id) === lines])),
      },
      defaultColDef: { sortable: false, resizable: true, wrapHeaderText: true, suppressKeyboardEvent: () => true, suppressHeaderMenuButton: true },
    });
    this.#listen();
    this.whole = new Promise((drawn) => {
      this.rest = (until = this.items.length) => {
        this.api.setGridOption("rowData", this.items.slice(0, until));
        if (until < this.items.length) return this.#later(until + FIRST_ROWS);
        this.rest = null;
        this.host.dataset.ready = "1";
        if (this.head) this.#paintSelection();
        return drawn();
      };
    });
    if (this.items.length <= FIRST_ROWS) this.rest();
    else this.#later(2 * FIRST_ROWS);
  }

  /** Draw on, up to so many rows, when the browser has painted what there is. */
  #later(until) {
    const draw = () => setTimeout(() => this.rest?.(Math.min(until, this.items.length)), 0);
    if (document.hidden) draw(); // nothing is painted in a tab behind others
    else requestAnimationFrame(draw);
  }

  destroy() {
    this.rest = null;
    this.api?.destroy();
  }

  /** The sheet got another width: other columns, other heights. Not under an open editor: then once it is closed. */
  fit() {
    if (this.editor || this.#widths().step === this.width.step) return;
    const focus = document.activeElement === this.catcher;
    this.api.setGridOption("columnDefs", this.#arrange());
    this.api.resetRowHeights();
    this.api.redrawRows();
    if (!this.head) return;
    const last = this.columns.length - 1;
    this.anchor = { r: this.anchor.r, c: Math.min(this.anchor.c, last) };
    requestAnimationFrame(() => this.go({ r: this.head.r, c: Math.min(this.head.c, last) }, { extend: true, focus }));
  }

  #widths() {
    const room = this.ctl.root.clientWidth || document.documentElement.clientWidth - 260;
    if (room >= 1300) return { step: 3, name: 210, param: 150, unit: 132, year: 124, remark: 190, guidance: 260 };
    if (room >= 1000) return { step: 2, name: 172, param: 116, unit: 104, year: 104, remark: 120, guidance: 130 };
    return { step: 1, name: 150, param: 100, unit: 88, year: 100, remark: 110, guidance: 0 }; // 填写说明 stands under the sheet
  }

  /** Choose columns, widths and heights for the room there is. */
  #arrange() {
    const width = (this.width = this.#widths());
    this.columns = ["unit", ...this.model.years.map((_, index) => `y${index}`), "remark", ...(width.guidance ? ["guidance"] : [])];
    const plain = (colId, headerName, extra) => ({ colId, headerName, ...extra });
    const view = { cellRenderer: this.#cellView() };
    const columnDefs = [
      plain("name", "指标名称", {
        pinned: "left", width: width.name, cellRenderer: LabelView, cellClass: (p) => `lvs-label${p.data.row?.required ? " lvs-required" : ""}`,
        valueGetter: (p) => p.data.row?.label ?? "",
        ...(this.rows.some((row) => row.parameter) && { spanRows: ({ nodeA, nodeB }) => this.spanned(nodeA?.data, nodeB?.data) }),
      }),
      plain("param", width.guidance ? "指标涉及的参数" : "指标涉及\n的参数", { pinned: "left", width: width.param, cellRenderer: LabelView, cellClass: "lvs-label", valueGetter: (p) => p.data.row?.parameter ?? "" }),
      plain("unit", "单位", { ...view, width: width.unit }),
      ...this.model.years.map((year, index) =>
        plain(`y${index}`, `${year}年指标值`, {
          ...view, width: width.year, minWidth: 88, headerClass: "lvs-head-figure",
          ...(index === 0 && { colSpan: (p) => (p.data.row && !p.data.row.yearly ? this.model.years.length : 1) }),
        })),
      plain("remark", "特殊情况说明", { ...view, minWidth: width.remark, flex: 2 }),
      ...(width.guidance ? [plain("guidance", "填写说明", { ...view, minWidth: width.guidance, flex: 3 })] : []),
    ];
    this.heights = this.#measure(width);
    const all = this.items.reduce((sum, item) => sum + (this.heights.get(item.id) ?? ROW_HEIGHT), 0);
    this.host.style.minHeight = `${all + 36}px`;
    return columnDefs;
  }

  /** Row id → height of rows whose name, parameter or unit takes more than two lines; measured at once, in one layout. */
  #measure(width) {
    const texts = [];
    const want = (id, text, room, style = "") => text && texts.push([id, h("div", { text, style: `width:${room}px;${style}` })]);
    this.items.forEach((item, index) => {
      const { row, id } = item;
      if (!row) return;
      const merged = this.spanned(this.items[index - 1], item) || this.spanned(item, this.items[index + 1]);
      if (!merged) want(id, row.label, width.name - 17 - (row.required ? 9 : 0), "font-size:12.5px");
      want(id, row.parameter, width.param - 17, "font-size:12.5px");
      for (const unit of row.units?.length ? row.units : [row.unit]) want(id, unit, width.unit - (row.units?.length ? 31 : 17));
    });
    const probe = h("div", { class: "lvs-probe", "aria-hidden": "true" }, ...texts.map(([, box]) => box));
    this.ctl.root.append(probe);
    const heights = new Map();
    for (const [id, box] of texts) {
      const lines = Math.round(box.offsetHeight / LINE);
      if (lines > 2) heights.set(id, Math.max(heights.get(id) ?? 0, Math.min(lines, 6) * LINE + 4));
    }
    probe.remove();
    return heights;
  }

  #lines(id) {
    return Math.floor((this.heights.get(id) ?? ROW_HEIGHT) / LINE);
  }

  // --- drawing ---------------------------------------------------------------------------------------------------------

  #cellView() {
    const grid = this;
    return class {
      init(params) {
        this.span = h("span", { class: "lvs-value" });
        this.refresh(params);
      }
      getGui() {
        return this.span;
      }
      refresh(params) {
        const key = params.data.row?.key;
        if (key) grid.#register(key, params.column.getColId(), params.eGridCell, this.span);
        return true;
      }
    };
  }

  #register(key, column, cell, span) {
    const row = this.model.rows.get(key);
    const address = this.address(row, column);
    cell.dataset.cell = `${key}|${column}`;
    if (address) cell.dataset.address = address;
    if (!cell.hasAttribute("tabindex")) cell.tabIndex = -1;
    this.views.set(cell.dataset.cell, { cell, span });
    this.paint(key, column);
  }

  /** The address behind a column of a row; null where nothing is stored (fixed unit, 填写说明). */
  address(row, column) {
    if (column === "unit") return row.units?.length && !row.unitOf ? `${row.key}:unit` : null;
    if (column === "remark") return row.remark ? `${row.key}:remark` : null;
    if (column === "guidance") return null;
    const index = Number(column.slice(1));
    if (!row.yearly) return index === 0 ? row.key : null;
    return `${row.key}:${this.model.years[index]}`;
  }

  /** Draw one cell from the model. */
  paint(key, column) {
    const view = this.views.get(`${key}|${column}`);
    if (!view) return;
    const { cell, span } = view;
    const row = this.model.rows.get(key);
    const address = this.address(row, column);
    const kept = this.editor?.cell === cell ? " lvs-editing" : "";
    const classes = ["lvs-cell"];
    if (!address) {
      const text = column === "unit" ? this.model.unit(row) : column === "guidance" ? (row.guidance ?? "") : "";
      if (span.textContent !== text) span.textContent = text;
      classes.push(column === "guidance" ? "lvs-guidance" : column === "unit" ? "lvs-unit" : "lvs-locked");
      swapClasses(cell, classes.join(" ") + kept);
      return;
    }
    const text = this.model.shown(address);
    if (span.textContent !== text) span.textContent = text;
    const locked = this.model.lockReason(address);
    const mark = this.model.mark(address);
    const kind = this.model.kind(address);
    const figure = ["number", "derived"].includes(row.kind) && column.startsWith("y");
    if (figure) classes.push("lvs-figure");
    if (column === "unit") classes.push("lvs-unit");
    if (column === "remark") classes.push("lvs-remark");
    if (row.kind === "derived" && column.startsWith("y")) classes.push("lvs-derived");
    else if (locked && !this.model.readonly) classes.push("lvs-locked");
    if (!locked && this.#options(row, column)) classes.push("lvs-choose");
    if (mark) classes.push("lvs-marked", `lvs-mark-${mark}`);
    if (kind === "invalid") classes.push("lvs-invalid");
    if (kind === "pending") classes.push("lvs-pending");
    if (this.model.changed.has(address)) classes.push("lvs-changed");
    if (this.model.conflicts.has(address)) classes.push("lvs-conflict");
    swapClasses(cell, classes.join(" ") + kept);
    setOrDrop(cell, "aria-label", `${this.model.place(address)}：${text || "空"}`);
    setOrDrop(cell, "aria-readonly", locked ? "true" : null);
    setOrDrop(cell, "aria-invalid", mark === "error" ? "true" : null);
    setOrDrop(cell, "aria-description", this.#description(address, locked));
    const asked = this.model.questions.get(address);
    setOrDrop(cell, "data-questions", asked ? String(asked) : null);
    setOrDrop(span, "data-questions", asked ? String(asked) : null); // drawn as a badge
    setOrDrop(cell, "data-mark", mark || null);
    cell.dataset.kind = kind;
    if (this.catcher.parentElement === cell && !this.editor) this.#describeCatcher(cell);
  }

  #description(address, locked) {
    const words = this.model.findingsAt(address).filter((finding) => finding.level !== "note").map((finding) => `${LEVELS[finding.level].word}：${finding.message}`);
    const asked = this.model.questions.get(address);
    if (asked) words.push(`有 ${asked} 个核实问题。`);
    if (this.model.changed.has(address)) words.push("与上次上报不同。");
    if (locked && !this.model.readonly) words.push(locked);
    return words.join(" ") || null;
  }

  /** Draw every cell of these addresses again, and of rows that borrow their unit. */
  paintAddresses(addresses) {
    for (const address of addresses) {
      const row = this.model.row(address);
      if (!row || row.drawn !== "grid") continue;
      const slot = this.model.slot(address);
      if (slot === "unit") {
        for (const one of this.rows) if (one === row || one.key === row.key || one.unitOf === row.key) this.paint(one.key, "unit");
      } else this.paint(row.key, this.#column(row, slot));
    }
  }

  paintAll() {
    for (const row of this.rows) for (const column of this.columns) this.paint(row.key, column);
    this.#paintSelection();
  }

  #column(row, slot) {
    return slot === "remark" || slot === "unit" ? slot : row.yearly ? `y${this.model.years.indexOf(slot)}` : "y0";
  }

  // --- where we are -----------------------------------------------------------------------------------------------------

  element(address) {
    const row = this.model.row(address);
    if (!row) return undefined;
    const key = `${row.key}|${this.#column(row, this.model.slot(address))}`;
    if (!this.views.has(key)) this.rest?.();
    return this.views.get(key)?.cell;
  }

  place(address) {
    const row = this.model.row(address);
    const r = this.rows.findIndex((one) => one.key === row?.key);
    return r < 0 ? null : { r, c: this.columns.indexOf(this.#column(row, this.model.slot(address))) };
  }

  #view({ r, c }) {
    const row = this.rows[r];
    const column = this.columns[c];
    if (!row || !column) return undefined;
    const inside = !row.yearly && column.startsWith("y") ? "y0" : column;
    return this.views.get(`${row.key}|${inside}`);
  }

  #addressAt({ r, c }) {
    const row = this.rows[r];
    const column = this.columns[c];
    return row && column ? this.address(row, !row.yearly && column.startsWith("y") ? "y0" : column) : null;
  }

  get currentAddress() {
    return this.head && this.#addressAt(this.head);
  }

  /** Make a cell the current one; `extend` keeps the other corner. */
  go(to, { extend = false, focus = true } = {}) {
    if (to.r < 0 || to.r >= this.rows.length || to.c < 0 || to.c >= this.columns.length) return;
    if (!this.#view(to)) this.rest?.();
    if (this.head) {
      const old = this.#view(this.head)?.cell;
      if (old) old.tabIndex = -1;
    }
    this.head = { ...to };
    if (!extend || !this.anchor) this.anchor = { ...to };
    const cell = this.#view(to)?.cell;
    if (cell) {
      this.#holdCatcher(cell);
      if (focus) this.catcher.focus({ preventScroll: true });
      this.#reveal(cell);
    }
    this.#paintSelection();
    this.ctl.focused(this.#addressAt(to), { row: this.rows[to.r], column: this.columns[to.c] });
  }

  #holdCatcher(cell) {
    const { catcher } = this;
    if (catcher.parentElement !== cell) cell.append(catcher);
    this.#describeCatcher(cell);
    cell.tabIndex = document.activeElement === catcher ? -1 : 0;
  }

  #describeCatcher(cell) {
    const { catcher } = this;
    const address = this.#addressAt(this.head);
    catcher.readOnly = !address || Boolean(this.model.lockReason(address));
    catcher.setAttribute("aria-label", cell.getAttribute("aria-label") ?? cell.textContent);
    setOrDrop(catcher, "aria-description", cell.getAttribute("aria-description"));
  }

  focusCurrent() {
    this.go(this.head ?? ENTRY, { extend: true });
  }

  #reveal(cell) {
    const scroller = this.ctl.scroller;
    const box = cell.getBoundingClientRect();
    const frame = scroller.getBoundingClientRect();
    const top = frame.top + 36;
    if (box.top < top) scroller.scrollTop -= top - box.top + ROW_HEIGHT;
    else if (box.bottom > frame.bottom - 8) scroller.scrollTop += box.bottom - frame.bottom + ROW_HEIGHT;
    const pane = this.host.querySelector(".ag-center-cols-viewport");
    if (pane?.contains(cell)) {
      const sides = pane.getBoundingClientRect();
      if (box.left < sides.left) pane.scrollLeft -= sides.left - box.left;
      else if (box.right > sides.right) pane.scrollLeft += box.right - sides.right;
    }
  }

  get range() {
    if (!this.head) return null;
    const { head, anchor } = this;
    return { r0: Math.min(head.r, anchor.r), r1: Math.max(head.r, anchor.r), c0: Math.min(head.c, anchor.c), c1: Math.max(head.c, anchor.c) };
  }

  #paintSelection() {
    for (const cell of this.painted) cell.classList.remove("lvs-current", "lvs-selected");
    this.painted = [];
    const range = this.range;
    if (!range) return;
    if (range.r0 !== range.r1 || range.c0 !== range.c1)
      for (let r = range.r0; r <= range.r1; r++)
        for (let c = range.c0; c <= range.c1; c++) this.#dye(this.#view({ r, c })?.cell, "lvs-selected");
    this.#dye(this.#view(this.head)?.cell, "lvs-current");
  }

  #dye(cell, name) {
    if (!cell) return;
    cell.classList.add(name);
    this.painted.push(cell);
  }

  /** One step, over titles by construction; `edit` also over cells that cannot be edited, and around the row ends (Tab). */
  #step([dr, dc], { extend = false, toEditable = false } = {}) {
    let { r, c } = this.head;
    for (let tries = this.rows.length * this.columns.length; tries > 0; tries--) {
      const row = this.rows[r];
      if (dc && row && !row.yearly && this.columns[c].startsWith("y")) c = dc > 0 ? this.model.years.length : 1;
      r += dr;
      c += dc;
      if (toEditable && dc && (c < 0 || c >= this.columns.length)) (r += dc), (c = dc > 0 ? 0 : this.columns.length - 1);
      if (r < 0 || r >= this.rows.length || c < 0 || c >= this.columns.length) return false;
      const address = this.#addressAt({ r, c });
      if (!toEditable || (address && !this.model.lockReason(address))) {
        this.go({ r, c }, { extend });
        return true;
      }
    }
    return false;
  }

  // --- listening --------------------------------------------------------------------------------------------------------

  #listen() {
    const { host } = this;
    host.addEventListener("keydown", (event) => this.#key(event), true);
    host.addEventListener("mousedown", (event) => this.#press(event), true);
    host.addEventListener("mouseover", (event) => this.#drag(event));
    host.addEventListener("dblclick", (event) => {
      if (this.#cellOf(event) && !this.editor) this.edit();
    });
    host.addEventListener("focusin", (event) => {
      if (event.target === this.catcher) event.target.closest("[data-cell]").tabIndex = -1;
      else if (!this.editor && event.target.matches("[data-cell]")) this.go(this.#cellOf(event));
    });
    // AG Grid takes itself for empty, as the cells are ours to focus, and would have Tab pass it by.
    host.addEventListener("focus", (event) => {
      if (!event.target.matches(".ag-tab-guard")) return;
      event.stopImmediatePropagation();
      if (!host.contains(event.relatedTarget)) this.focusCurrent();
    }, true);
    this.catcher.addEventListener("compositionstart", () => this.editor || this.#openCatcher());
    this.catcher.addEventListener("input", (event) => {
      if (!this.editor) this.#openCatcher();
      const choosing = this.editor && !this.editor.combo && !event.isComposing && this.editor.options;
      if (choosing) this.#chooseFrom(this.catcher.value);
      else if (this.editor) this.ctl.draft({ a: this.editor.address, t: this.catcher.value });
    });
    this.catcher.addEventListener("compositionend", () => this.editor?.options && !this.editor.combo && this.#chooseFrom(this.catcher.value));
    this.catcher.addEventListener("focusout", () => {
      if (this.editor?.input === this.catcher) this.#left();
      const cell = this.catcher.closest("[data-cell]");
      if (cell) cell.tabIndex = 0;
    });
    for (const name of ["copy", "cut", "paste"]) host.addEventListener(name, (event) => this.clipboard(event));
    host.addEventListener("mouseover", (event) => this.ctl.hover(event.target.closest?.(".ag-cell, .lvs-title")));
    host.addEventListener("mouseleave", () => this.ctl.hover(null));
  }

  #cellOf(event) {
    const cell = event.target.closest?.("[data-cell]");
    if (!cell) return null;
    const [key, column] = cell.dataset.cell.split("|");
    return { r: this.rows.findIndex((row) => row.key === key), c: this.columns.indexOf(column) };
  }

  #press(event) {
    const at = this.#cellOf(event);
    if (!at || event.button > 1 || event.target.closest(".lvs-editor")) return;
    const cell = this.#view(at).cell;
    if (this.editor && this.editor.cell !== cell) this.commitEditor();
    else if (this.editor) return;
    event.preventDefault();
    event.stopPropagation();
    const again = this.head?.r === at.r && this.head?.c === at.c;
    this.dragging = true;
    addEventListener("mouseup", () => (this.dragging = false), { once: true });
    this.go(at, { extend: event.shiftKey });
    const box = cell.getBoundingClientRect();
    if (cell.classList.contains("lvs-choose") && (again || event.clientX > box.right - 24) && !event.shiftKey && event.detail === 1) this.edit();
  }

  #drag(event) {
    if (!this.dragging || this.editor || event.buttons !== 1) return;
    const at = this.#cellOf(event);
    if (at && (at.r !== this.head.r || at.c !== this.head.c)) this.go(at, { extend: true });
  }

  #key(event) {
    if (!this.head || (!this.editor && !this.#cellOf(event))) return;
    if (this.editor) this.#editorKey(event);
    else this.#sheetKey(event);
  }

  #sheetKey(event) {
    const { key, shiftKey: shift } = event;
    const command = event.ctrlKey || event.metaKey;
    if (composing(event)) return; // goes into the catcher
    if (command) {
      const step = key.toLowerCase();
      if (step === "z") this.#done(event, () => (shift ? this.ctl.redo() : this.ctl.undo()));
      else if (step === "y") this.#done(event, () => this.ctl.redo());
      else if (step === "a") this.#done(event, () => this.#selectAll());
      else if (key in ARROWS) this.#done(event, () => this.#leap(ARROWS[key], shift));
      else if (key === "Home") this.#done(event, () => this.go(ENTRY, { extend: shift }));
      else if (key === "End") this.#done(event, () => this.go({ r: this.rows.length - 1, c: this.model.years.length }, { extend: shift }));
      return;
    }
    if (event.altKey && key === "ArrowDown") this.#done(event, () => this.edit());
    else if (key in ARROWS) this.#done(event, () => this.#step(ARROWS[key], { extend: shift }));
    else if (key === "Enter") this.#done(event, () => this.ctl.pick() || this.#step([shift ? -1 : 1, 0], { toEditable: true }));
    else if (key === "Tab") {
      if (this.#step([0, shift ? -1 : 1], { toEditable: true })) this.#done(event);
      else {
        event.stopPropagation(); // past the last cell: from the edge of the grid the browser goes on to the next part
        const edge = this.host.querySelector(shift ? ".ag-tab-guard-top" : ".ag-tab-guard-bottom");
        edge.tabIndex = 0; // AG Grid takes it away while the focus is inside
        edge.focus({ preventScroll: true });
      }
    } else if (key === "F2") this.#done(event, () => (shift ? this.ctl.toggleBar() : this.edit()));
    else if (key === "Delete" || key === "Backspace") this.#done(event, () => this.#clear());
    else if (key === "Home") this.#done(event, () => this.go({ r: this.head.r, c: 0 }, { extend: shift }));
    else if (key === "End") this.#done(event, () => this.go({ r: this.head.r, c: this.columns.length - 1 }, { extend: shift }));
    else if (key === "PageDown" || key === "PageUp") this.#done(event, () => this.#page(key === "PageDown" ? 1 : -1, shift));
    else if (key === "Escape") this.#done(event, () => this.ctl.escape() || this.go(this.head));
    else if (key.length === 1 && !event.altKey) {
      event.stopPropagation();
      const reason = this.#lockedHere();
      if (reason) this.#done(event, () => this.ctl.say(reason));
      else if (key === " " && this.#options(this.rows[this.head.r], this.columns[this.head.c])) this.#done(event, () => this.edit());
    }
  }

  /** A key that reached a pop-up and belongs to the sheet. */
  forward(event) {
    this.#sheetKey(event);
  }

  #done(event, act) {
    event.preventDefault();
    event.stopPropagation();
    act?.();
  }

  #selectAll() {
    this.anchor = { r: 0, c: 0 };
    this.go({ r: this.rows.length - 1, c: this.columns.length - 1 }, { extend: true });
  }

  #page(direction, extend) {
    const rows = Math.max(1, Math.floor(this.ctl.scroller.clientHeight / ROW_HEIGHT) - 2);
    this.go({ r: Math.max(0, Math.min(this.rows.length - 1, this.head.r + direction * rows)), c: this.head.c }, { extend });
  }

  /** Ctrl+arrow: to the edge of the filled or the empty stretch. */
  #leap([dr, dc], extend) {
    const filled = (at) => Boolean(this.#addressAt(at) && this.model.text(this.#addressAt(at)));
    const inside = (at) => at.r >= 0 && at.r < this.rows.length && at.c >= 0 && at.c < this.columns.length;
    let at = this.head;
    let next = { r: at.r + dr, c: at.c + dc };
    const stretch = inside(next) && filled(at) && filled(next);
    while (inside(next)) {
      if (stretch && !filled(next)) break;
      at = next;
      if (!stretch && filled(at)) break;
      next = { r: at.r + dr, c: at.c + dc };
    }
    this.go(at, { extend });
  }

  // --- editing ----------------------------------------------------------------------------------------------------------

  #options(row, column) {
    if (column === "unit") return row.units?.length ? row.units : null;
    if (column.startsWith("y") && (row.choices?.length || row.reference || row.kind === "yesno")) return row.kind === "yesno" && !row.choices?.length ? ["是", "否"] : (row.choices ?? []);
    return null;
  }

  #lockedHere() {
    const address = this.currentAddress;
    return address ? this.model.lockReason(address) : this.#fixedReason();
  }

  /** Open the editor in the current cell with its text (F2), or with `text`; a list of choices where there is one. */
  edit({ text = null } = {}) {
    const reason = this.#lockedHere();
    if (reason) {
      this.ctl.say(reason);
      return false;
    }
    const before = this.model.text(this.currentAddress);
    this.catcher.value = text ?? before;
    this.#openCatcher(false);
    if (this.editor.options) this.#chooseFrom(this.catcher.value, true);
    else {
      this.catcher.focus({ preventScroll: true });
      this.catcher.setSelectionRange(this.catcher.value.length, this.catcher.value.length);
    }
    return true;
  }

  /** The catcher becomes the editor where it is; `typed`: by a key, so that arrows commit (as in Excel), not move the caret. */
  #openCatcher(typed = true) {
    const address = this.currentAddress;
    const { cell } = this.#view(this.head);
    const row = this.rows[this.head.r];
    const column = this.columns[this.head.c];
    this.anchor = { ...this.head };
    this.#paintSelection();
    const long = column === "remark" || row.kind === "longtext";
    this.catcher.maxLength = LONGEST_TEXT;
    this.catcher.className = long ? "lvs-editor lvs-editor-long" : "lvs-editor";
    this.catcher.setAttribute("aria-label", this.model.place(address));
    cell.classList.add("lvs-editing");
    cell.parentElement.classList.add("lvs-editing-row");
    this.editor = { input: this.catcher, cell, address, before: this.model.text(address), typed, combo: null, options: this.#options(row, column) };
  }

  /** Where the cell has choices, a searchable list takes the place of the catcher. */
  #chooseFrom(text, whole = false) {
    const { cell, address, options } = this.editor;
    const row = this.model.row(address);
    const column = this.columns[this.head.c];
    const many = row.kind === "choices" && column !== "unit";
    const input = h("input", { class: "lvs-editor", type: "text", value: text, readOnly: many, "aria-label": this.model.place(address), spellcheck: "false" });
    this.editor.input = input; // before the focus moves: leaving the catcher is no commit now
    this.editor.combo = new Combo(input, {
      options: () => (row.reference && column !== "unit" ? this.ctl.reference(row) : options.map((value) => ({ value, label: value }))),
      host: this.ctl.layer, label: this.model.place(address), separator: many ? CHOICE_SEPARATOR : "",
      pick: (value) => {
        input.value = value;
        this.commitEditor([1, 0]);
      },
    });
    this.#resetCatcher();
    cell.append(input);
    input.focus({ preventScroll: true });
    input.addEventListener("input", () => this.ctl.draft({ a: address, t: input.value }));
    input.addEventListener("focusout", () => this.editor?.input === input && this.#left());
    this.editor.combo.open(whole || many ? "" : text);
    if (whole) input.select();
  }

  /** The focus left the editor: that commits, unless only the window lost it or the page is going away. */
  #left() {
    if (document.activeElement !== this.editor.input && !this.ctl.leaving) this.commitEditor(null, false);
  }

  #resetCatcher() {
    this.catcher.value = "";
    this.catcher.className = "lvs-catcher";
  }

  #fixedReason() {
    const row = this.rows[this.head.r];
    const column = this.columns[this.head.c];
    if (column === "unit" && row.unitOf) return `“${this.model.name(row)}”与“${this.model.name(this.model.rows.get(row.unitOf) ?? row)}”使用同一计量单位，请在那一行选择。`;
    if (column === "unit") return `“${this.model.name(row)}”的计量单位固定为${this.model.unit(row) || "无"}，不能修改。`;
    if (column === "remark") return `“${this.model.name(row)}”不需要特殊情况说明。`;
    return "填写说明只供阅读，不能修改。";
  }

  #editorKey(event) {
    const { combo, typed, input } = this.editor;
    event.stopPropagation();
    if (composing(event)) return;
    const { key, shiftKey: shift } = event;
    if (combo && !combo.separator && key === "Tab" && combo.highlighted && input.value && input.value !== this.editor.before) input.value = combo.highlighted.value;
    if (combo?.key(event)) {
      event.preventDefault();
      return;
    }
    if (key === "Enter" && event.altKey && input.tagName === "TEXTAREA") {
      event.preventDefault();
      input.setRangeText("\n", input.selectionStart, input.selectionEnd, "end");
    } else if (key === "Enter") this.#done(event, () => this.commitEditor([shift ? -1 : 1, 0]));
    else if (key === "Tab") this.#done(event, () => this.commitEditor([0, shift ? -1 : 1]));
    else if (key === "Escape") this.#done(event, () => this.cancelEditor());
    else if (typed && key in ARROWS && !combo) this.#done(event, () => this.commitEditor(ARROWS[key], true, false));
    else if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "s") this.#done(event, () => (this.commitEditor(), this.ctl.save()));
  }

  cancelEditor() {
    this.#closeEditor();
    this.go(this.head);
    this.ctl.editorClosed();
  }

  /** Take the editor's text over, then move on by `step`. */
  commitEditor(step = null, focus = true, toEditable = true) {
    if (!this.editor) return;
    const { input, address, before } = this.editor;
    const text = input.value.trim();
    this.#closeEditor();
    if (text !== before) this.ctl.commitOne(address, text, before);
    if (step) {
      if (!this.#step(step, { toEditable })) this.go(this.head);
    } else if (focus) this.go(this.head);
    this.ctl.editorClosed();
  }

  #closeEditor() {
    const { input, cell, combo } = this.editor;
    this.editor = null;
    this.ctl.draft(null);
    combo?.close();
    cell.classList.remove("lvs-editing");
    cell.parentElement?.classList.remove("lvs-editing-row");
    if (input === this.catcher) this.#resetCatcher();
    else input.remove();
  }

  #clear() {
    const refused = new Map();
    const changes = [];
    this.#each(this.range, (at) => this.#plan(at, "", changes, refused));
    this.ctl.commit(changes, "typed");
    if (refused.size && !changes.length) this.ctl.say([...refused.values()][0]);
  }

  #each({ r0, r1, c0, c1 }, act) {
    for (let r = r0; r <= r1; r++) for (let c = c0; c <= c1; c++) act({ r, c });
  }

  /** Put one text on one cell: into `changes`, or into `refused` with the reason. */
  #plan(at, text, changes, refused) {
    const row = this.rows[at.r];
    const column = this.columns[at.c];
    if (!row || !column) return;
    const address = this.address(row, column);
    if (!address) {
      const inside = column.startsWith("y");
      if (text && !inside && text !== (column === "unit" ? this.model.unit(row) : (row.guidance ?? "")))
        refused.set(`${this.model.name(row)} ${{ unit: "单位", remark: "特殊情况说明", guidance: "填写说明" }[column]}`, column === "unit" ? `计量单位固定为${this.model.unit(row) || "无"}，不能改成“${text}”。` : column === "remark" ? "此行没有特殊情况说明栏。" : "填写说明只供阅读。");
      return;
    }
    if (text === this.model.text(address) || text === this.model.shown(address)) return;
    const reason = this.model.lockReason(address);
    if (!reason) changes.push({ a: address, t: text });
    else if (text) refused.set(this.model.place(address), reason);
  }

  // --- clipboard --------------------------------------------------------------------------------------------------------

  clipboard(event) {
    if (this.editor || !this.head) return;
    event.preventDefault();
    if (event.type !== "paste") this.#copy(event, event.type === "cut");
    else if (event.clipboardData.getData("text/plain")) this.pasteText(event.clipboardData.getData("text/plain"));
  }

  #copy(event, cut) {
    const { r0, r1, c0, c1 } = this.range;
    const rows = [];
    for (let r = r0; r <= r1; r++) {
      const texts = [];
      for (let c = c0; c <= c1; c++) {
        const address = this.address(this.rows[r], this.columns[c]);
        texts.push(address ? this.model.text(address) : (this.views.get(`${this.rows[r].key}|${this.columns[c]}`)?.span.textContent ?? ""));
      }
      rows.push(texts);
    }
    event.clipboardData.setData("text/plain", formatBlock(rows));
    if (cut) this.#clear();
  }

  /** Whether the block was copied with the title rows of the sheet: each has its title, or a blank row, in its place. */
  #hasTitles(block, first) {
    const span = this.items.slice(first, first + block.length).map((item, index) => [item, block[index].filter(Boolean)]);
    const titles = span.filter(([item]) => !item.row);
    return titles.length > 0 && titles.every(([item, filled]) => !filled.length || filled.some((text) => item.title.includes(text)));
  }

  /** A block from Excel or WPS, from the top left of the range; one block fills a larger range; one undo step, one message. */
  pasteText(text) {
    const block = parseBlock(text);
    const { r0, r1, c0, c1 } = this.range;
    const high = block.length;
    const wide = Math.max(...block.map((row) => row.length));
    const changes = [];
    const refused = new Map();
    let last = { r: r0, c: c0 };
    if (high === 1 && wide === 1 && r0 === r1 && c0 === c1) this.#plan(this.head, block[0][0], changes, refused);
    else if ((r1 - r0 + 1) % high === 0 && (c1 - c0 + 1) % wide === 0 && (r1 - r0 + 1 > high || c1 - c0 + 1 > wide)) {
      this.#each(this.range, (at) => this.#plan(at, block[(at.r - r0) % high][(at.c - c0) % wide] ?? "", changes, refused));
      last = { r: r1, c: c1 };
    } else {
      let index = 0;
      const first = this.items.findIndex((one) => one.id === this.rows[r0].key);
      const titled = this.#hasTitles(block, first);
      for (let item = first; item < this.items.length && index < high; item++) {
        if (!this.items[item].row) {
          if (titled) index++;
          continue;
        }
        const r = this.rows.indexOf(this.items[item].row);
        block[index].forEach((text, offset) => this.#plan({ r, c: c0 + offset }, text, changes, refused));
        last = { r, c: Math.min(this.columns.length - 1, c0 + wide - 1) };
        index++;
      }
      const left = block.slice(index).filter((row) => row.some(Boolean)).length;
      if (left) refused.set(`末尾 ${left} 行`, "超出表格最后一行，没有位置可以粘贴。");
      if (c0 + wide > this.columns.length && block.some((row) => row.slice(this.columns.length - c0).some(Boolean))) refused.set("最右边的列", "超出表格最后一列，没有位置可以粘贴。");
    }
    this.anchor = { r: r0, c: c0 };
    this.go(last, { extend: true });
    this.ctl.commit(changes, "paste", { refused });
  }
}

class LabelView {
  init({ value }) {
    this.span = h("span", { class: "lvs-value", text: value ?? "" });
  }
  getGui() {
    return this.span;
  }
  refresh({ value }) {
    this.span.textContent = value ?? "";
    return true;
  }
}

class TitleRow {
  init({ data }) {
    this.box = h("div", { class: `lvs-title lvs-title-${data.level}`, role: "gridcell" }, h("span", { text: data.title }));
  }
  getGui() {
    return this.box;
  }
  refresh() {
    return false;
  }
}

const OURS = /^lvs-(?!current|selected)/;

/** Replace our own classes on an element, leave AG Grid's and the selection's alone. */
function swapClasses(element, names) {
  const wanted = new Set(names.split(" "));
  for (const name of [...element.classList]) if (OURS.test(name) && !wanted.delete(name)) element.classList.remove(name);
  if (wanted.size) element.classList.add(...wanted);
}

function setOrDrop(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
