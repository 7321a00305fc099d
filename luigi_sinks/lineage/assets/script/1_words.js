// Times and figures as text. Times are microseconds since 1970 in UTC.

const SECOND = 1e6;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (number) => String(number).padStart(2, "0");

function dateText(time) {
  const date = new Date(time / 1000);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

function clockText(time, withSeconds = false) {
  const date = new Date(time / 1000);
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  return withSeconds ? `${clock}:${two(date.getUTCSeconds())}` : clock;
}

const timeText = (time) => (time ? `${dateText(time)}, ${clockText(time)}` : "not known");

/** 5400 -> "1 h 30 min": the largest unit, and the next one if it says more, unless it is to be brief. */
function durationText(seconds, brief = false) {
  if (seconds < 1) return seconds > 0 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : "0 s";
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const rounded = Math.round(seconds);
  const at = units.findIndex(([, size]) => rounded >= size);
  const [unit, size] = units[at];
  const whole = Math.floor(rounded / size);
  const next = units[at + 1];
  const rest = next && whole < 10 && !brief ? Math.floor((rounded % size) / next[1]) : 0;
  return rest ? `${whole} ${unit} ${rest} ${next[0]}` : `${whole} ${unit}`;
}

const agoText = (time, now) => (now - time < 60 * SECOND ? "just now" : `${durationText((now - time) / SECOND, true)} ago`);
const countText = (count) => count.toLocaleString("en").replaceAll(",", "\u202f");
const counted = (count, what) => `${countText(count)} ${what}${count === 1 ? "" : "s"}`;
const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);
