// Whether somebody is signed in still: a page that stands open goes once the session is over, unless something is written
// in it that would be lost. Looking is no use of the session, so one that is left alone ends all the same.

const LOOK_MS = 60_000;

export function start() {
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
}

async function look() {
  if (document.hidden || isWritten()) return;
  const answer = await fetch("/v1/session", { headers: { "X-Background": "true" } }).catch(() => null);
  if (answer?.status !== 401) return;
  const next = document.querySelector("[data-after]")?.dataset.after ?? location.pathname + location.search;
  location.replace(`/sign-in?next=${encodeURIComponent(next)}`);
}

const isWritten = () => Array.from(document.querySelectorAll("textarea")).some((each) => each.value !== each.defaultValue);
