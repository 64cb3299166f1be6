// The form that asks for what the API wants as a proof: a token, a user and a password, or either.
"use strict";

const SignIn = (() => {
  const MATTER = "sign-in";
  const NEITHER = "토큰을, 또는 사용자 이름과 비밀번호를 입력하세요.";
  const NO_TOKEN = "접근 토큰을 입력하세요.";
  const NO_PASSWORD = "사용자 이름과 비밀번호를 모두 입력하세요.";
  const BAD_TOKEN =
    "토큰에는 영문자, 숫자, 기호만 쓸 수 있습니다. 한글이나 다른 글자가 섞이지 않았는지 확인하세요.";
  const BAD_USER = "사용자 이름에는 쌍점(:)을 쓸 수 없습니다.";

  let shown = null;
  let isRefused = false;

  // ask: ["token"], ["password"] or both. A form that is being filled in stays as it is.
  function ask(wanted, onGiven) {
    if (shown === wanted.join()) return;
    shown = wanted.join();
    const token = wanted.includes("token") ? field("접근 토큰", "password") : null;
    const user = wanted.includes("password") ? field("사용자 이름", "text") : null;
    const password = user && field("비밀번호", "password");
    const problem = Dom.el("p", { class: "sign-in-problem", role: "alert" });
    if (isRefused) problem.textContent = "API가 받아들이지 않았습니다. 다시 입력하세요.";
    const submit = (event) => {
      event.preventDefault();
      const { header, refusal } = read(token?.value.trim(), user?.value.trim(), password?.value);
      problem.textContent = refusal ?? "";
      if (header) give(header, onGiven);
    };
    const form = Dom.el(
      "form",
      { class: "sign-in", on: { submit } },
      Dom.el("p", {}, said(token, user)),
      [token, user, password].map(labelled),
      Dom.el("button", { type: "submit", class: "button" }, "확인"),
      problem,
    );
    Banners.show(MATTER, "warning", form);
  }

  function field(label, type) {
    return Dom.el("input", { type, autocomplete: "off", "aria-label": label, class: "field" });
  }

  function labelled(input) {
    if (!input) return null;
    return Dom.el(
      "label",
      { class: "sign-in-field" },
      Dom.el("span", {}, input.getAttribute("aria-label")),
      input,
    );
  }

  function said(token, user) {
    if (token && user) return "API가 접근 토큰이나 사용자 이름과 비밀번호를 요구합니다.";
    return user ? "API가 사용자 이름과 비밀번호를 요구합니다." : "API가 접근 토큰을 요구합니다.";
  }

  // What is typed, as a header or as the sentence that says why it is none; undefined: no field.
  function read(token, user, password) {
    if (token && !Proof.isSendable(token)) return { refusal: BAD_TOKEN };
    if (token) return { header: Proof.ofToken(token) };
    if (user === undefined) return { refusal: NO_TOKEN };
    if (!user && !password && token !== undefined) return { refusal: NEITHER };
    if (!user || !password) return { refusal: NO_PASSWORD };
    if (user.includes(":")) return { refusal: BAD_USER };
    return { header: Proof.ofPassword(user, password) };
  }

  async function give(header, onGiven) {
    Proof.keep(header);
    close();
    isRefused = true;
    await onGiven();
    isRefused = shown !== null;
  }

  function close() {
    shown = null;
    Banners.hide(MATTER);
  }

  return { ask, close };
})();
