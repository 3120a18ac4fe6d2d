// The list of filings with one column a review tier (填报列表). Draws what it is given, forwards clicks; text only, never HTML.
export default {
  template: `
    <div class="lv-tiers-box" :class="{'lv-busy': busy}">
      <table class="lv-tiers" :aria-label="label" :aria-busy="busy">
        <thead>
          <tr>
            <th v-if="selectable" class="lv-c-check">
              <input type="checkbox" :checked="allPicked" :indeterminate.prop="somePicked" :disabled="!rows.length"
                     aria-label="选择本页全部" @change="pickAll($event.target.checked)">
            </th>
            <th v-for="c in columns" :key="c.key" :class="'lv-c-' + c.key" scope="col" :aria-sort="ariaSort(c)">
              <button v-if="c.sort" type="button" class="lv-sort" @click="$emit('sort', c.sort)">
                {{ c.title }}<span class="lv-sort-mark" aria-hidden="true">{{ mark(c) }}</span>
              </button>
              <template v-else>{{ c.title }}</template>
              <div v-if="c.sub" class="lv-th-sub">({{ c.sub }})</div>
            </th>
          </tr>
        </thead>
        <tbody>
          <tr v-for="r in rows" :key="r.id" :data-row="r.id" :data-unit="r.unit">
            <td v-if="selectable" class="lv-c-check">
              <input type="checkbox" :checked="picked.includes(r.id)" :aria-label="'选择 ' + r.unit" @change="pick(r.id, $event.target.checked)">
            </td>
            <td v-for="c in columns" :key="c.key" :class="'lv-c-' + c.key" :data-column="c.key">
              <template v-if="c.key === 'unit'">
                <button v-if="r.link" type="button" class="lv-link" @click="act(r, r.link)">{{ r.unit }}</button>
                <span v-else>{{ r.unit }}</span>
                <div class="lv-td-sub">{{ r.under }}</div>
              </template>
              <template v-else-if="c.key === 'submitted'">
                {{ r.submitted }}<div v-if="r.submittedAt" class="lv-td-sub">{{ r.submittedAt }}</div>
              </template>
              <template v-else-if="c.key === 'status'">
                <span class="lv-chip" :class="'lv-tone-' + r.tone"><q-icon :name="r.icon" aria-hidden="true"></q-icon>{{ r.status }}</span>
                <div v-if="r.statusNotes.length" class="lv-td-sub">
                  <span v-for="n in r.statusNotes" :key="n" :class="{'lv-late': n.startsWith('逾期')}">{{ n }}</span>
                </div>
              </template>
              <template v-else-if="c.tier">
                <div :class="'lv-step lv-step-' + r.steps[c.tier].kind" :title="r.steps[c.tier].hint">
                  {{ r.steps[c.tier].text }}<span v-if="r.steps[c.tier].when" class="lv-td-sub lv-inline">{{ r.steps[c.tier].when }}</span>
                </div>
                <div v-for="n in r.steps[c.tier].notes" :key="n" class="lv-td-sub" :title="r.steps[c.tier].hint">{{ n }}</div>
              </template>
              <template v-else-if="c.key === 'risk'">
                <span class="lv-risk" tabindex="0" :data-reason="r.riskWords" :aria-label="'风险分 ' + r.risk + '，' + r.riskWords">{{ r.risk }}</span>
              </template>
              <div v-else-if="c.key === 'actions'" class="lv-actions">
                <button v-for="a in r.actions" :key="a.action" type="button" class="lv-text-button" :class="{'lv-danger': a.danger}"
                        :aria-disabled="a.reason ? 'true' : null" :data-reason="a.reason || null" :data-action="a.action"
                        @click="a.reason ? $emit('refused', a.reason) : act(r, a.action)">{{ a.caption }}</button>
              </div>
              <template v-else>{{ r[c.key] }}</template>
            </td>
          </tr>
        </tbody>
      </table>
      <div v-if="!rows.length" class="lv-empty"><slot></slot></div>
    </div>`,
  props: {
    rowsJson: String, columnsJson: String, label: String, selectable: Boolean, sort: String, descending: Boolean, busy: Boolean,
  },
  emits: ["act", "sort", "picked", "refused"],
  data() {
    return { picked: [] };
  },
  computed: {
    rows() { return JSON.parse(this.rowsJson); },
    columns() { return JSON.parse(this.columnsJson); },
    allPicked() { return this.rows.length > 0 && this.rows.every((r) => this.picked.includes(r.id)); },
    somePicked() { return !this.allPicked && this.picked.length > 0; },
  },
  watch: {
    rows(rows) {
      const kept = this.picked.filter((id) => rows.some((r) => r.id === id));
      if (kept.length !== this.picked.length) this.tell(kept);
    },
  },
  methods: {
    act(row, action) { this.$emit("act", { id: row.id, action }); },
    pick(id, on) { this.tell(on ? [...this.picked, id] : this.picked.filter((x) => x !== id)); },
    pickAll(on) { this.tell(on ? this.rows.map((r) => r.id) : []); },
    tell(picked) { this.picked = picked; this.$emit("picked", picked); },
    mark(c) { return c.sort === this.sort ? (this.descending ? " ↓" : " ↑") : ""; },
    ariaSort(c) { return c.sort === this.sort && c.sort ? (this.descending ? "descending" : "ascending") : null; },
  },
};
