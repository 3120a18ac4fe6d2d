// What differs between two sheets (对照表), grouped by part of the form. Text only; a click on a place tells the server which cell.
export default {
  template: `
    <div class="lv-diff-box">
      <div v-if="rows.length" class="lv-diff-bar" role="group" aria-label="筛选改动">
        <button v-for="f in filters" :key="f.key" type="button" class="lv-diff-filter" :class="{'lv-on': f.key === filter}"
                :aria-pressed="f.key === filter ? 'true' : 'false'" :data-filter="f.key" @click="filter = f.key">{{ f.title }} {{ f.count }}</button>
      </div>
      <table v-if="rows.length" class="lv-diff" :aria-label="label">
        <thead><tr>
          <th scope="col">指标</th><th scope="col" class="lv-number">{{ before }}</th><th scope="col" class="lv-number">{{ after }}</th>
          <th scope="col">单位</th><th scope="col" class="lv-number">变化</th>
        </tr></thead>
        <tbody v-for="g in groups" :key="g.part">
          <tr class="lv-diff-part"><th colspan="5" scope="colgroup">{{ g.part }}（{{ g.rows.length }}）</th></tr>
          <tr v-for="r in g.rows" :key="r.address" :data-address="r.address">
            <td><button v-if="jumps" type="button" class="lv-link" title="在填报数据中查看" @click="$emit('jump', r.address)">{{ r.place }}</button><template v-else>{{ r.place }}</template></td>
            <template v-if="r.long">
              <td colspan="4"><div class="lv-diff-text"><del v-if="r.before">{{ r.before }}</del><span v-else class="lv-muted">（空）</span></div>
                <div class="lv-diff-text"><ins v-if="r.after">{{ r.after }}</ins><span v-else class="lv-muted">（空）</span></div></td>
            </template>
            <template v-else>
              <td class="lv-number lv-diff-old">{{ r.before || '（空）' }}</td><td class="lv-number">{{ r.after || '（空）' }}</td>
              <td class="lv-muted">{{ r.unit }}</td><td class="lv-number" :class="{'lv-diff-much': r.size >= 50}">{{ r.change }}</td>
            </template>
          </tr>
        </tbody>
      </table>
      <p v-if="rows.length && !shown.length" class="lv-muted lv-diff-none">没有符合这一条件的改动。</p>
      <div v-if="!rows.length" class="lv-empty"><div class="lv-muted">{{ empty }}</div></div>
    </div>`,
  props: { rowsJson: String, label: String, before: String, after: String, empty: String, jumps: Boolean },
  emits: ["jump"],
  data() {
    return { filter: "all" };
  },
  computed: {
    rows() { return JSON.parse(this.rowsJson); },
    shown() { return this.rows.filter((r) => this.fits(r, this.filter)); },
    groups() {
      const found = new Map();
      for (const row of this.shown) {
        if (!found.has(row.part)) found.set(row.part, []);
        found.get(row.part).push(row);
      }
      return [...found].map(([part, rows]) => ({ part, rows }));
    },
    filters() {
      const titles = { all: "全部改动", ten: "变动超过 10%", fifty: "变动超过 50%", words: "文字与选项" };
      return Object.entries(titles).map(([key, title]) => ({ key, title, count: this.rows.filter((r) => this.fits(r, key)).length }));
    },
  },
  methods: {
    fits(row, filter) {
      if (filter === "ten") return row.size > 10;
      if (filter === "fifty") return row.size > 50;
      return filter === "words" ? !row.figure : true;
    },
  },
};
