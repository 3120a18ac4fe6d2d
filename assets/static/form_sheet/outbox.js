// What was committed here and is not yet acknowledged by the server. Lives in sessionStorage, so that a lost connection, a
// restarted server or a reloaded page loses nothing; cleared item by item on acknowledgement, and whole at logout. Personal
// fields (联系人, 电话 …) are kept in memory alone: they outlive a lost connection, and of a reload only their places remain.

const FIRST_RETRY = 8_000; // ms after a refusal (a busy database, a full disk); doubled up to the longest
const LONGEST_RETRY = 120_000;

export class Outbox {
  /** `send(kind, body)` puts one item on the wire; `changed()` is told when the saved mark may differ; `personal(address)`
   *  says what must not be written down. */
  constructor(key, { send, changed, personal }) {
    this.key = key;
    this.send = send;
    this.changed = changed;
    this.personal = personal;
    this.online = true;
    this.failure = "";
    const kept = read(key);
    this.items = kept.items;
    this.draft = kept.draft;
    this.lost = kept.lost; // addresses of personal texts that a reload took before they were saved
    this.next = Math.max(0, ...this.items.map((item) => item.seq)) + 1;
    this.sent = 0;
    this.acknowledged = 0;
    this.wait = FIRST_RETRY;
  }

  add(kind, body) {
    const seq = this.next++;
    this.items.push({ seq, kind, body });
    this.#store();
    if (this.failure) this.replay(); // in order: what was refused before goes first
    else if (this.online) this.#post(this.items.at(-1));
    this.changed();
    return seq;
  }

  /** The server has it. Returns the item, or undefined if it was not ours. */
  acknowledge(seq) {
    const item = this.items.find((one) => one.seq === seq);
    if (!item) return undefined;
    this.items = this.items.filter((one) => one.seq !== seq);
    this.acknowledged++;
    if (!this.items.length) this.failure = "";
    this.wait = FIRST_RETRY;
    this.#store();
    this.changed();
    return item;
  }

  /** The server said no to one item, with a sentence. Cells are kept here, and tried again after a reconnect or by hand;
   *  an answer to a finding is given back to its author. */
  fail(seq, sentence) {
    const item = this.items.find((one) => one.seq === seq);
    if (item?.kind === "cells") {
      this.failure = sentence;
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.failure && this.online && this.replay(), this.wait);
      this.wait = Math.min(LONGEST_RETRY, this.wait * 2);
    } else if (item) this.items = this.items.filter((one) => one !== item);
    this.#store();
    this.changed();
    return item;
  }

  drop(test) {
    this.items = this.items.filter((item) => !test(item));
    this.#store();
    this.changed();
  }

  setOnline(online) {
    this.online = online;
    this.changed();
  }

  /** Send everything again, in order; the server takes an item twice without harm. */
  replay() {
    clearTimeout(this.timer);
    this.failure = "";
    for (const item of this.items) this.#post(item);
    this.changed();
  }

  /** Keep the text of an editor that is still open: `{a, t}` or null. */
  keepDraft(draft) {
    this.draft = draft;
    this.#store();
  }

  clear() {
    clearTimeout(this.timer);
    this.items = [];
    this.draft = null;
    this.#store();
    this.changed();
  }

  get state() {
    if (!this.items.length) return "saved";
    if (!this.online) return "offline";
    return this.failure ? "failed" : "saving";
  }

  #post(item) {
    this.sent++;
    this.send(item.kind, { ...item.body, seq: item.seq });
  }

  /** What may be written down: everything but personal texts. */
  #writable() {
    const lost = [];
    const items = [];
    for (const item of this.items) {
      const changes = item.body.changes?.filter(({ a }) => !this.personal(a) || void lost.push(a));
      if (!changes) items.push(item);
      else if (changes.length) items.push({ ...item, body: { ...item.body, changes } });
    }
    const secret = this.draft && this.personal(this.draft.a);
    if (secret) lost.push(this.draft.a);
    return { items, draft: secret ? null : this.draft, lost };
  }

  /** Store again what is there now; the lost ones have been told. */
  told() {
    this.lost = [];
    this.#store();
  }

  #store() {
    try {
      const kept = this.#writable();
      if (kept.items.length || kept.draft || kept.lost.length) sessionStorage.setItem(this.key, JSON.stringify(kept));
      else sessionStorage.removeItem(this.key);
    } catch {
      // No room or no storage: the items stay in memory, only a reload could lose them, and leaving the page warns.
    }
  }
}

/** Forget all sheets of this tab (退出登录). */
export function forgetAll() {
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("lvce:sheet:")) sessionStorage.removeItem(key);
}

function read(key) {
  try {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
    const items = Array.isArray(kept?.items) ? kept.items.filter((item) => Number.isInteger(item?.seq)) : [];
    return { items, draft: kept?.draft ?? null, lost: Array.isArray(kept?.lost) ? kept.lost : [] };
  } catch {
    return { items: [], draft: null, lost: [] };
  }
}
