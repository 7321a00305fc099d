// The panel: an overview with every node, or the details of the one that is chosen.

const panel = document.getElementById("panel");
const MOST_LISTED = 200;

function element(name, attributes = {}, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...content.filter((each) => each !== null && each !== ""));
  return made;
}

/** A name that is broken at its joints before it is broken elsewhere. */
const breakable = (text) => text.split(BREAKS).flatMap((part, number) => (number ? [element("wbr"), part] : [part]));

function mark(kind) {
  const drawn = svgElement("svg", { class: "mark", viewBox: "-7 -7 14 14", "aria-hidden": "true" });
  drawn.append(svgElement("path", { class: `glyph ${kind}`, d: GLYPHS[kind] ?? GLYPHS.unknown }));
  return drawn;
}

function entry(node) {
  const state = stateAt(node, now);
  const button = element(
    "button", { type: "button", title: node.key, "data-node": node.index, onclick: () => { choose(node.index); panel.focus(); } },
    mark(state.kind), element("span", { class: "name" }, ...breakable(node.title)),
    element("span", { class: "note" }, state.note ?? state.text),
  );
  return element("li", { class: state.kind }, button);
}

/** A list of nodes under a heading; of a long one the first, and a button for the others. */
function section(heading, listed) {
  const list = element("ul", { class: "list" }, ...listed.slice(0, MOST_LISTED).map(entry));
  const rest = listed.slice(MOST_LISTED);
  if (rest.length) {
    const button = element("button", { type: "button", onclick: () => {
      list.lastElementChild.remove();
      list.append(...rest.map(entry));
      list.children[MOST_LISTED].firstElementChild.focus();
    } }, element("span"), element("span", { class: "quiet" }, `Show ${countText(rest.length)} more`));
    list.append(element("li", {}, button));
  }
  return [titled(heading, listed.length), list];
}

const titled = (heading, count) =>
  element("h3", {}, heading, count === null ? "" : element("span", { class: "count" }, countText(count)));

const GROUPS = [
  ["Stale", (node, kind) => kind === "stale"],
  ["Failed", (node, kind) => kind === "failed" || kind === "aborted"],
  ["Running", (node, kind) => kind === "running"],
  ["Datasets", (node) => node.kind === "dataset"],
  ["Jobs", () => true],
];

function showOverview() {
  const groups = new Map(GROUPS.map(([heading]) => [heading, []]));
  for (const node of nodes) {
    const { kind } = stateAt(node, now);
    groups.get(GROUPS.find(([, belongs]) => belongs(node, kind))[0]).push(node);
  }
  for (const listed of groups.values()) listed.sort((one, other) => one.title.localeCompare(other.title));
  const parts = [...groups].filter(([, listed]) => listed.length).flatMap(([heading, listed]) => section(heading, listed));
  panel.replaceChildren(element("h2", {}, "Overview"), ...parts);
  panel.scrollTop = 0;
}

function showFound(words) {
  const listed = [...found].map((index) => nodes[index]);
  panel.replaceChildren(element("h2", {}, `“${words}”`), ...section(listed.length ? "Found" : "Nothing found", listed));
  say(`${counted(listed.length, "result")} for ${words}`);
}

function showDetails(node) {
  const state = stateAt(node, now);
  const is = isKnown(node, now);
  const close = element("button", { type: "button", onclick: () => { clear(); panel.focus(); } }, "Close");
  panel.replaceChildren(
    element("div", { class: "kind" }, capitalized(node.kind), close),
    element("h2", {}, node.title),
    element("p", { class: "where" }, node.where),
    element("p", { class: `state ${state.kind}` }, mark(state.kind), is ? capitalized(state.text) : "Not there yet"),
    tracers(),
    node.kind === "dataset" ? datasetFacts(node) : jobFacts(node),
    ...(node.kind === "dataset" ? datasetSections(node) : jobSections(node)),
  );
  panel.scrollTop = 0;
  say(spoken(node, is ? state.text : "not there yet"));
}

function tracers() {
  const counts = { up: reached(chosen, "ins").size, down: reached(chosen, "outs").size };
  const on = { up: tracedUp?.size > 1, down: tracedDown?.size > 1 };
  const button = (which, label) => element("button", {
    type: "button", class: which, "aria-pressed": String(Boolean(on[which])), disabled: !counts[which],
    onclick: () => {
      const other = which === "up" ? "down" : "up";
      const next = { ...on, [which]: !on[which] };
      trace(next.up && next.down ? "both" : next[which] ? which : next[other] ? other : "none");
      panel.querySelector(".trace").replaceWith(tracers());
      panel.querySelector(`.trace .${which}`).focus();
    },
  }, element("b", {}, countText(counts[which])), ` ${label}`);
  return element("div", { class: "trace", role: "group", "aria-label": "Highlight" }, button("up", "upstream"), button("down", "downstream"));
}

function facts(pairs) {
  const list = element("dl", { class: "facts" });
  for (const [name, value] of pairs) if (value) list.append(element("dt", {}, name), element("dd", {}, value));
  return list.children.length ? list : "";
}

function datasetFacts(node) {
  const updated = updatedAt(node, now);
  const due = updated + node.maxAge * SECOND;
  return facts([
    ["Owner", node.owner],
    ["Updated", updated && timeText(updated)],
    ["Promise", node.maxAge && `at most ${durationText(node.maxAge)} old`],
    [due < now ? "Stale since" : "Stale from", updated && node.maxAge && timeText(due)],
    ["Namespace", node.namespace],
    ["Name", node.name !== node.title && node.name],
  ]);
}

function jobFacts(node) {
  return facts([
    ["Owner", node.owner],
    ["Runs", node.runsCount && countText(node.runsCount)],
    ["Takes", node.p50 && `${durationText(node.p50)}; one in twenty longer than ${durationText(node.p95)}`],
    ["Namespace", node.namespace],
  ]);
}

function datasetSections(node) {
  return [
    ...versions(node),
    ...columns(node),
    ...links("Written by", node.ins),
    ...links("Read by", node.outs),
  ];
}

function jobSections(node) {
  return [...runs(node), ...links("Reads", node.ins), ...links("Writes", node.outs)];
}

const links = (heading, indexes) => (indexes.length ? section(heading, [...new Set(indexes)].map((index) => nodes[index])) : []);

function table(label, headings, rows) {
  const head = headings.map(([text, number]) => element("th", { scope: "col", class: number ? "number" : false }, text));
  const body = rows.map((row) => element("tr", {}, ...row.map((cell, at) =>
    element("td", { class: headings[at][1] ? "number" : false }, ...[cell].flat()))));
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...body));
  return element("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, made);
}

/** A list of which each entry has a line, what stands at its right, and a quieter line below. */
function lines(label, entries) {
  const items = entries.map(([first, right, second]) => element("li", {},
    element("div", {}, ...first), element("div", { class: "right" }, ...right), element("p", {}, second)));
  return element("ul", { class: "lines", "aria-label": label }, ...items);
}

const rest = (known, all) =>
  (all > known ? element("p", { class: "quiet" }, `The newest ${countText(known)} of ${countText(all)}.`) : "");

function versions(node) {
  const known = node.versions.filter((version) => (version.written || Math.min(...(version.published ?? [0]))) <= now);
  if (!known.length) return [];
  const heads = headsAt(node, now);
  const entries = known.map((version) => [
    [element("code", {}, version.version), heads.has(version) ? element("span", { class: "tag" }, "head") : ""],
    [version.rows ? counted(version.rows, "row") : ""],
    separated(partition(version), published(version), ...checks(version)),
  ]);
  return [titled("Versions", null), lines("Versions", entries), rest(node.versions.length, node.versionsCount)];
}

/** Parts with a dot between them, as one element; those that are empty are left out. */
function separated(...parts) {
  const present = parts.filter(Boolean);
  return element("span", {}, ...present.flatMap((part, number) => (number ? [" · ", part] : [part])));
}

const partition = (version) => (version.partition && version.partition !== "_all" ? version.partition : "");

function published(version) {
  if (version.removed && version.removed <= now) return "rows deleted";
  const times = publishedBy(version, now);
  if (times.length) return timeText(Math.max(...times));
  return version.published?.length ? "not published yet" : timeText(version.written);
}

function checks(version) {
  const all = version.checks ?? [];
  const failed = all.filter(([, passed]) => !passed).map(([name]) => name);
  if (failed.length) return [element("span", { class: "bad" }, `✕ ${failed.join(", ")}`)];
  return all.length ? [element("span", { title: all.map(([name]) => name).join(", ") }, `✓ ${counted(all.length, "check")}`)] : [];
}

function columns(node) {
  if (!node.columns.length) return [];
  const rows = node.columns.map(([name, type]) => [name, element("code", { class: "quiet" }, type)]);
  return [titled("Columns", node.columns.length), table("Columns", [["Name"], ["Type"]], rows)];
}

function runs(node) {
  const known = node.runs.filter((run) => run.started <= now);
  if (!known.length) return [];
  const entries = known.map((run) => {
    const outcome = outcomeAt(run, now);
    const isBad = outcome === "failed" || outcome === "aborted";
    const end = outcome === "running" ? now : run.ended;
    return [
      [mark(outcome), timeText(run.started)],
      [durationText((end - run.started) / SECOND)],
      separated(
        element("span", { class: isBad ? "bad" : false }, isBad && run.error ? `${outcome}, ${run.error}` : outcome),
        element("code", { title: `${run.task}, run ${run.key}` }, run.task),
      ),
    ];
  });
  return [titled("Runs", null), lines("Runs", entries), rest(node.runs.length, node.runsCount)];
}
