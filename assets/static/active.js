// Typing is activity (有操作): also what has not been sent yet keeps the sign-in alive. Told at most every few seconds.
const QUIET_MS = 5000;
const address = new URL("../auth/active", import.meta.url);
let told = -QUIET_MS;

function tell() {
  const now = performance.now();
  if (now - told < QUIET_MS) return;
  told = now;
  fetch(address, { method: "POST" }).catch(() => {});
}

for (const kind of ["keydown", "pointerdown", "input"]) document.addEventListener(kind, tell, { capture: true, passive: true });
