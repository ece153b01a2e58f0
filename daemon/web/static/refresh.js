// Keeps the page fresh without taking anything away from whoever reads it: scroll, focus, what is typed, what is open.
// The page is fetched as it stands in the address, and what differs is changed in place. Nothing depends on this file.
"use strict";

(() => {
  const main = document.getElementById("main");
  const updated = document.getElementById("updated");
  const trouble = document.getElementById("trouble");
  const pace = document.getElementById("pace");
  const hold = document.getElementById("hold");
  const again = document.getElementById("again");
  if (!main || !updated || !trouble || !pace || !hold || !again) return;

  const seconds = Number(pace.dataset.seconds);
  const patience = 15000;
  const remembered = "zoho-outbox refresh";
  let held = read() === "held";
  let ended = false;
  let running = false;
  let due = Date.now() + seconds * 1000;

  function read() {
    try { return sessionStorage.getItem(remembered); } catch { return null; }
  }

  function remember(value) {
    try { sessionStorage.setItem(remembered, value); } catch { /* a browser that keeps nothing */ }
  }

  // What tells a node from its neighbours: rows come and go, and a focused one must stay the same row.
  const key = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.id : "");
  const kept = (node) => node.nodeType === Node.ELEMENT_NODE && node.hasAttribute("data-keep");
  const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && key(one) === key(other);

  // What the reader does to an element stays his: what is open, chosen or typed.
  const own = { DETAILS: ["open"], INPUT: ["value"], OPTION: ["selected"], SELECT: ["value"], TEXTAREA: ["value"] };

  function attributes(from, to) {
    const hidden = from.nodeName === "INPUT" && from.type === "hidden";
    const leave = hidden ? [] : own[from.nodeName] || [];
    for (const { name, value } of [...to.attributes]) {
      if (!leave.includes(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) {
      if (!leave.includes(name) && !to.hasAttribute(name)) from.removeAttribute(name);
    }
  }

  function morph(from, to) {
    if (kept(from) || from.isEqualNode(to)) return;
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
      return;
    }
    attributes(from, to);
    children(from, to);
  }

  function children(from, to) {
    const wanted = [...to.childNodes];
    const wantedKeys = new Set(wanted.map(key).filter(Boolean));
    const present = new Map();
    for (const child of from.children) if (child.id) present.set(child.id, child);
    let at = from.firstChild;
    for (const next of wanted) {
      const known = key(next) ? present.get(key(next)) : null;
      if (known && known.nodeName === next.nodeName) {
        // What stands before it and is not wanted goes first, so that a focused row is never moved.
        while (at && at !== known && !kept(at) && !wantedKeys.has(key(at))) at = drop(at);
        if (at === known) at = at.nextSibling;
        else from.insertBefore(known, at);
        morph(known, next);
        continue;
      }
      while (at && kept(at)) at = at.nextSibling;
      if (!key(next) && at && alike(at, next)) {
        const found = at;
        at = at.nextSibling;
        morph(found, next);
      } else {
        from.insertBefore(document.importNode(next, true), at);
      }
    }
    while (at) at = kept(at) ? at.nextSibling : drop(at);
  }

  function drop(node) {
    const next = node.nextSibling;
    node.remove();
    return next;
  }

  // The first thing with a name that is to be seen; it stays where it is on the screen.
  function anchor() {
    if (window.scrollY <= 0) return null;
    for (const candidate of main.querySelectorAll("[id]")) {
      const box = candidate.getBoundingClientRect();
      if (box.height && box.top >= 0 && box.top < window.innerHeight) return { candidate, top: box.top };
    }
    return null;
  }

  function change(fresh) {
    const focused = document.activeElement;
    const before = anchor();
    const place = window.scrollY;
    morph(main, fresh.getElementById("main"));
    if (before && before.candidate.isConnected) {
      window.scrollBy({ top: before.candidate.getBoundingClientRect().top - before.top, behavior: "instant" });
    } else {
      window.scrollTo({ top: place, behavior: "instant" });
    }
    if (focused && focused !== document.body && document.activeElement !== focused) {
      // Moved, or gone: then the content as a whole is the nearest that is still there.
      (focused.isConnected ? focused : main).focus({ preventScroll: true });
    }
    const state = document.getElementById("state");
    if (state && fresh.getElementById("state")) morph(state, fresh.getElementById("state"));
    const moment = fresh.getElementById("updated");
    updated.textContent = moment.textContent;
    updated.setAttribute("datetime", moment.getAttribute("datetime"));
  }

  function say(words, link) {
    if (trouble.textContent === words + (link ? ` ${link.textContent}` : "")) return;
    trouble.replaceChildren(words);
    if (link) trouble.append(" ", link);
  }

  function signIn() {
    const link = document.createElement("a");
    link.href = location.pathname + location.search;
    link.textContent = "Sign in again";
    return link;
  }

  async function refresh() {
    if (running) return;
    running = true;
    try {
      const answer = await fetch(location.pathname + location.search, {
        cache: "no-store",
        credentials: "same-origin",
                signal: AbortSignal.timeout(patience),
      });
      // A browser that does not say that a script asks is sent to the sign-in page.
      if (answer.status === 401 || (answer.redirected && new URL(answer.url).pathname !== location.pathname)) {
        ended = true;
        say(`Your session has ended. Shown is what was true at ${updated.textContent}.`, signIn());
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!fresh.getElementById("main") || !fresh.getElementById("updated")) throw new Error("another page");
      change(fresh);
      say("");
    } catch {
      say(`This page could not be refreshed. Shown is what was true at ${updated.textContent}; it is tried again by itself.`);
    } finally {
      running = false;
      due = Date.now() + seconds * 1000;
    }
  }

  function show() {
    pace.textContent = held ? "· not refreshed" : `· every ${seconds} s`;
    hold.textContent = held ? "Refresh by itself" : "Stop refreshing";
  }

  hold.addEventListener("click", () => {
    held = !held;
    remember(held ? "held" : "");
    show();
    if (!held) refresh();
  });
  again.addEventListener("click", (event) => {
    if (ended || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    refresh();
  });
  const look = () => {
    if (!held && !ended && !document.hidden && Date.now() >= due) refresh();
  };
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", look);

  pace.hidden = false;
  hold.hidden = false;
  show();
  const said = document.getElementById("said");
  if (said) said.focus({ preventScroll: true });
})();
