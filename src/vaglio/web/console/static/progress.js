// Follows a list that is being scrubbed, and shows its result when it is over. Without scripts a link does the same.
"use strict";

const bar = document.querySelector("progress[data-source]");

async function look() {
  let told;
  try {
    const answer = await fetch(bar.dataset.source, { headers: { accept: "application/json" } });
    told = answer.ok ? await answer.json() : { over: true };
  } catch {
    told = null; // the service starts anew, or the network is away: look again
  }
  if (told && told.over) {
    location.replace("/scrub");
    return;
  }
  if (told) {
    if (told.total > 0) {
      bar.max = told.total;
      bar.value = told.done;
    }
    document.getElementById("progress-words").textContent = told.words;
  }
  setTimeout(look, 700);
}

if (bar) setTimeout(look, 300);
