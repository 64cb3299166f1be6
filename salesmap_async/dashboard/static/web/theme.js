// Light, dark, or what the system says. The choice is the attribute data-theme of <html>.
"use strict";

const Theme = (() => {
  const CHOICES = ["system", "light", "dark"];
  const LABELS = { system: "화면: 시스템 설정", light: "화면: 밝게", dark: "화면: 어둡게" };

  function current() {
    const choice = Remembered.read("theme");
    return CHOICES.includes(choice) ? choice : "system";
  }

  function apply(choice) {
    if (choice === "system") {
      delete document.documentElement.dataset.theme;
    } else {
      document.documentElement.dataset.theme = choice;
    }
  }

  function connect(button) {
    const show = () => {
      button.textContent = LABELS[current()];
    };
    button.addEventListener("click", () => {
      const next = CHOICES[(CHOICES.indexOf(current()) + 1) % CHOICES.length];
      Remembered.write("theme", next);
      apply(next);
      show();
    });
    show();
  }

  apply(current());
  return { connect };
})();
