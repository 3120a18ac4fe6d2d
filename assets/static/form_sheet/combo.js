// A searchable drop-down (combobox + listbox) on an input that already exists; used in the grid and by the plain fields.

import { composing, h, placeBeside, uniqueId } from "./dom.js";

const SHOWN = 80; // options drawn at once; more are reached by typing

export class Combo {
  /** `options`: rows of {value, label}, or a function that promises them. `pick(value)` is called when one is chosen.
   *  `separator`: several may be chosen (Space or click), the input holds them joined; Enter is left to the caller. */
  constructor(input, { options, pick, host, label, separator = "" }) {
    this.input = input;
    this.source = options;
    this.pick = pick;
    this.host = host;
    this.separator = separator;
    this.active = -1;
    this.list = h("ul", { class: "lvs-options", id: uniqueId("options"), role: "listbox", popover: "manual", "aria-label": label });
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the input keeps the focus
      const option = event.target.closest("[role=option]");
      if (option && event.button === 0) this.#choose(Number(option.dataset.index));
    });
    for (const [name, value] of Object.entries({
      role: "combobox", autocomplete: "off", "aria-autocomplete": "list", "aria-expanded": "false", "aria-haspopup": "listbox",
    })) input.setAttribute(name, value);
    if (separator) this.list.setAttribute("aria-multiselectable", "true");
    input.addEventListener("input", () => this.open(input.value));
    input.addEventListener("blur", () => this.close());
  }

  get isOpen() {
    return this.list.isConnected;
  }

  /** Show the options that match `query`; all of them for an empty one. */
  async open(query = "") {
    const options = typeof this.source === "function" ? await this.source() : this.source;
    if (!this.input.isConnected || document.activeElement !== this.input) return;
    const wanted = query.trim().toLowerCase();
    const found = wanted && !this.separator ? options.filter(({ value, label }) => value.toLowerCase().startsWith(wanted) || label.toLowerCase().includes(wanted)) : options;
    this.found = found.slice(0, SHOWN);
    this.active = Math.max(0, this.found.findIndex(({ value }) => value === this.input.value));
    this.list.replaceChildren(
      ...this.found.map(({ value, label }, index) =>
        h("li", { role: "option", id: `${this.list.id}-${index}`, data: { index, value }, class: "lvs-option", text: label, "aria-selected": "false" })),
    );
    if (!found.length) this.list.append(h("li", { class: "lvs-option-none", role: "option", "aria-disabled": "true", "aria-selected": "false", text: "没有匹配的选项，请换代码或名称再找" }));
    if (found.length > SHOWN) this.list.append(h("li", { class: "lvs-option-none", role: "option", "aria-disabled": "true", "aria-selected": "false", text: `还有 ${found.length - SHOWN} 项，请继续输入代码或名称` }));
    if (this.separator) this.list.append(h("li", { class: "lvs-option-none", role: "option", "aria-disabled": "true", "aria-selected": "false", text: "可多选：空格选中或取消，回车完成" }));
    if (!this.isOpen) {
      this.host.append(this.list);
      this.list.showPopover?.();
    }
    this.list.style.minWidth = `${this.input.getBoundingClientRect().width}px`;
    placeBeside(this.list, this.input, { gap: 2 });
    this.input.setAttribute("aria-expanded", "true");
    this.input.setAttribute("aria-controls", this.list.id);
    this.#mark();
  }

  close() {
    if (!this.isOpen) return;
    this.list.remove();
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
    this.input.removeAttribute("aria-controls");
  }

  /** Take a key; true if it was ours. */
  key(event) {
    if (composing(event)) return false;
    if (!this.isOpen) {
      if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return false;
      this.open("");
      return true;
    }
    const last = this.found.length - 1;
    if (event.key === "ArrowDown") this.active = Math.min(last, this.active + 1);
    else if (event.key === "ArrowUp") this.active = Math.max(0, this.active - 1);
    else if (event.key === (this.separator ? " " : "Enter") && last >= 0) {
      this.#choose(this.active);
      return true;
    } else if (event.key === "Escape") {
      this.close();
      return true;
    } else return false;
    this.#mark();
    return true;
  }

  /** The option under the highlight, for Tab. */
  get highlighted() {
    return this.isOpen ? this.found[this.active] : undefined;
  }

  #choose(index) {
    const option = this.found[index];
    if (!option) return;
    if (this.separator) {
      const chosen = new Set(this.input.value.split(this.separator).filter(Boolean));
      if (!chosen.delete(option.value)) chosen.add(option.value);
      this.input.value = this.found.filter(({ value }) => chosen.has(value)).map(({ value }) => value).join(this.separator);
      this.active = index;
      this.#mark();
      return;
    }
    this.close();
    this.pick(option.value);
  }

  #mark() {
    const chosen = new Set(this.separator ? this.input.value.split(this.separator) : []);
    [...this.list.children].forEach((child, index) => {
      const on = index === this.active && Boolean(this.found[index]);
      child.classList.toggle("lvs-option-on", on);
      if (this.found[index]) child.setAttribute("aria-selected", String(this.separator ? chosen.has(this.found[index].value) : on));
      if (on) {
        child.scrollIntoView({ block: "nearest" });
        this.input.setAttribute("aria-activedescendant", child.id);
      }
    });
  }
}
