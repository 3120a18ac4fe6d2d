// A plain list (列表): columns and rows as given, text only, row actions as text buttons, sorting and choosing told to the server.
export default {
  template: `
    <div class="lv-table-box" :class="{'lv-busy': busy}">
      <table class="lv-table" :aria-label="label" :aria-busy="busy">
        <thead><tr>
          <th v-for="c in columns" :key="c.key" scope="col" :class="{'lv-number': c.number}" :style="c.width ? {width: c.width} : null"
              :aria-sort="c.sort && c.sort === sort ? (descending ? 'descending' : 'ascending') : null">
            <button v-if="c.sort" type="button" class="lv-sort" @click="$emit('sort', c.sort)">{{ c.title }}<span aria-hidden="true">{{ c.sort === sort ? (descending ? ' ↓' : ' ↑') : '' }}</span></button>
            <template v-else>{{ c.title }}</template>
          </th>
          <th v-if="hasActions" scope="col" class="lv-actions-head">操作</th>
        </tr></thead>
        <tbody>
          <tr v-for="r in rows" :key="r.id" :data-row="r.id">
            <td v-for="c in columns" :key="c.key" :class="{'lv-number': c.number, 'lv-code': c.code}" :data-column="c.key">
              <span v-if="chip(r[c.key])" class="lv-chip" :class="'lv-tone-' + r[c.key].tone"><i v-if="r[c.key].icon" class="q-icon notranslate material-icons" aria-hidden="true">{{ r[c.key].icon }}</i>{{ r[c.key].text }}</span>
              <template v-else-if="Array.isArray(r[c.key])"><div v-for="(line, i) in r[c.key]" :key="i" :class="{'lv-td-under': i > 0}">{{ line }}</div></template>
              <template v-else>{{ r[c.key] }}</template>
            </td>
            <td v-if="hasActions"><div class="lv-row-actions">
              <button v-for="a in r.actions || []" :key="a.word" type="button" class="lv-text-button" :class="{'lv-danger': a.danger}"
                      :aria-disabled="a.reason ? 'true' : null" :title="a.reason || null" :data-action="a.word"
                      @click="a.reason ? null : $emit('act', {id: r.id, word: a.word})">{{ a.caption }}</button>
            </div></td>
          </tr>
        </tbody>
      </table>
      <div v-if="!rows.length" class="lv-table-empty">{{ empty }}</div>
    </div>`,
  props: { rowsJson: String, columnsJson: String, label: String, empty: String, sort: String, descending: Boolean, busy: Boolean },
  emits: ["act", "sort"],
  computed: {
    rows() { return JSON.parse(this.rowsJson); },
    columns() { return JSON.parse(this.columnsJson); },
    hasActions() { return this.rows.some((r) => r.actions); },
  },
  methods: {
    chip(value) { return value !== null && typeof value === "object" && !Array.isArray(value); },
  },
};
