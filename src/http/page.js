// Asks for status.json every two seconds and shows it. All that clients have a say in is put in as text.
"use strict";

const EVERY = 2000;
const $ = (id) => document.getElementById(id);
// The address of the page may hold the name and the token, with which nothing may be asked for.
const source = new URL("status.json", document.location.origin + document.location.pathname);

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return (unit ? count.toFixed(1) : String(Math.round(count))) + " " + units[unit];
}

function span(seconds) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (seconds < 60) return seconds + " s";
  if (seconds < 3600) return Math.floor(seconds / 60) + " min";
  if (seconds < 86400) return Math.floor(seconds / 3600) + ":" + two((seconds % 3600) / 60) + " h";
  return Math.floor(seconds / 86400) + " d " + Math.floor((seconds % 86400) / 3600) + " h";
}

function time(second) {
  const then = new Date(second * 1000);
  const today = new Date().toDateString() === then.toDateString();
  const options = { hour12: false };
  return today ? then.toLocaleTimeString([], options) : then.toLocaleString([], options);
}

function bar(part, whole, label, className) {
  const made = element("progress", undefined, className);
  made.max = Math.max(whole, 1);
  made.value = Math.min(part, made.max);
  made.setAttribute("aria-label", label);
  return made;
}

function row(...cells) {
  const made = element("tr");
  made.append(...cells);
  return made;
}

function fill(body, rows, columns, none) {
  const empty = element("td", none, "none");
  empty.colSpan = columns;
  body.replaceChildren(...(rows.length ? rows : [row(empty)]));
}

// A user and an address, one below the other.
function who(user, nobody, address) {
  const made = element("td", undefined, "who");
  made.append(element("div", user ?? nobody, user === null ? "none" : ""), element("div", address, "small"));
  return made;
}

function gauge(limit) {
  const say = (count) => (limit.is_rate ? bytes(count) + "/s" : String(count));
  const made = element("li");
  const line = element("div");
  const words = limit.most === null ? say(limit.used) + ", no limit" : say(limit.used) + " of " + say(limit.most);
  line.append(element("span", limit.name), element("b", words));
  line.title = limit.setting;
  made.append(line);
  if (limit.most !== null) {
    const share = limit.used / limit.most;
    made.append(bar(limit.used, limit.most, limit.name + ": " + words, share >= 0.9 && !limit.is_rate ? "full" : ""));
  }
  return made;
}

function transfer(session) {
  const work = session.transfer;
  const file = element("td");
  const words = work.size === null ? bytes(work.bytes) : bytes(work.bytes) + " of " + bytes(work.size);
  file.append(element("span", work.path, work.direction === "upload" ? "up" : work.direction ? "down" : ""));
  if (work.size !== null) {
    const percent = work.size ? Math.floor((100 * work.bytes) / work.size) : 100;
    const label = work.path + ": " + percent + " percent";
    file.append(bar(work.bytes, work.size, label, work.direction === "upload" ? "up" : ""));
    file.append(element("div", percent + " %, " + words, "small"));
  } else {
    file.append(element("div", work.direction ? words + " so far" : work.verb, "small"));
  }
  const rate = work.direction ? bytes(work.rate) + "/s" : "";
  return row(
    element("td", session.session, "wide"),
    who(session.user, "nobody", from(session)),
    file,
    element("td", rate, "number"),
  );
}

// Without the port, and without the brackets that an IPv6 address has before one.
function from(seen) {
  return seen.peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
}

function session(seen) {
  let doing = seen.idle === null ? (seen.verb ?? "") : "idle for " + span(seen.idle);
  if (seen.transfer) doing = seen.transfer.verb;
  return row(
    element("td", seen.session),
    who(seen.user, "not logged in", from(seen) + (seen.tls ? ", TLS " + seen.tls : "")),
    element("td", time(seen.since), "wide short"),
    element("td", doing),
    element("td", bytes(seen.uploaded), "number wide"),
    element("td", bytes(seen.downloaded), "number wide"),
  );
}

const WHAT = { logged_in: "logged in", login_failed: "log-in failed", refused: "refused" };

function news(item) {
  let what = WHAT[item.what] ?? item.what;
  if (item.why) what += ": " + item.why;
  if (item.times > 1) what += " (" + item.times + " times since " + time(item.first) + ")";
  return row(
    element("td", time(item.last), "short"),
    element("td", what, item.what === "logged_in" ? "" : "bad"),
    who(item.user, "unknown", item.peer),
  );
}

const TICKS = 200;

function plot(history) {
  const perSecond = (ticks) => ticks.map((count) => count / history.tick);
  const up = perSecond(history.uploaded);
  const down = perSecond(history.downloaded);
  const top = Math.max(1024, ...up, ...down);
  const points = (rates) =>
    rates.map((rate, index) => {
      const x = 600 - ((rates.length - 1 - index) * 600) / (TICKS - 1);
      return x.toFixed(1) + "," + (118 - (116 * rate) / top).toFixed(1);
    });
  $("line-up").setAttribute("points", points(up).join(" "));
  $("line-down").setAttribute("points", points(down).join(" "));
  $("top").textContent = bytes(top) + "/s";
  const most = (rates) => bytes(Math.max(0, ...rates)) + "/s";
  $("plot").setAttribute("aria-label", "the last ten minutes: uploads at most " + most(up) + ", downloads at most " + most(down));
}

function health(words, className) {
  $("health").textContent = words;
  $("health").className = className;
}

function show(status) {
  const server = status.server;
  $("version").textContent = server.version;
  if (server.draining) health("ending", "bad");
  else if (status.obstacle) health("not ready: " + status.obstacle, "bad");
  else health("serving", "good");
  $("since").textContent = "for " + span(server.seconds) + ", " + server.sessions + " sessions";
  $("up").textContent = bytes(server.upload_rate) + "/s";
  $("down").textContent = bytes(server.download_rate) + "/s";
  plot(status.history);
  $("gauges").replaceChildren(...status.limits.map(gauge));
  const busy = status.sessions.filter((seen) => seen.transfer);
  fill($("transfer-rows"), busy.map(transfer), 4, "none under way");
  fill($("session-rows"), status.sessions.map(session), 6, "nobody is there");
  $("more").textContent = status.more ? "and " + status.more + " more, see longshore status" : "";
  fill($("news-rows"), status.news.map(news), 3, "nobody has come yet");
  document.title = server.sessions + " – longshore";
}

async function ask() {
  try {
    const answer = await fetch(source, { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 401 || answer.status === 429) {
      health("the token is no longer right: load this page anew", "bad");
      document.querySelector("main").className = "old";
      return;
    }
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
    document.querySelector("main").className = "";
  } catch {
    health("no answer", "bad");
    document.querySelector("main").className = "old";
  }
  setTimeout(ask, EVERY);
}

ask();
