// The start: screens by the address, the snapshot behind them.
"use strict";

(() => {
  const content = document.getElementById("content");
  const screens = new Map();
  let current = null;

  const makers = () =>
    new Map([
      [OrganizationsScreen.ID, () => new OrganizationsScreen()],
      [PipelineScreen.ID, () => new PipelineScreen()],
      [OperationsScreen.ID, () => new OperationsScreen()],
      [ChangesScreen.ID, () => new ChangesScreen()],
      [DealsScreen.ID, () => new DealsScreen()],
      [SearchScreen.ID, () => new SearchScreen()],
      ...Snapshot.meta().teams.map((team) => [
        DealCheckScreen.idOf(team),
        () => new DealCheckScreen(team),
      ]),
    ]);

  function sections() {
    const entry = (id, label) => ({ id, label });
    return [
      {
        title: "고객",
        entries: [
          entry(OrganizationsScreen.ID, "조직/People/Deal 뷰어"),
          entry(PipelineScreen.ID, "파이프라인 현황"),
        ],
      },
      { title: "운영", entries: [entry(OperationsScreen.ID, "스냅샷 운영")] },
      {
        title: "딜체크",
        entries: Snapshot.meta().teams.map((team) => entry(DealCheckScreen.idOf(team), team.label)),
      },
      { title: "기록", entries: [entry(ChangesScreen.ID, "변경")] },
      { title: "영업", entries: [entry(DealsScreen.ID, "딜")] },
    ];
  }

  function addressed(known) {
    const { screen } = Route.read();
    return known.has(screen) ? screen : OrganizationsScreen.ID;
  }

  function show() {
    const { screen, params } = Route.read();
    const known = makers();
    const id = addressed(known);
    if (!screens.has(id)) screens.set(id, known.get(id)());
    turnTo(screens.get(id), id);
    current.update(id === screen ? params : {});
  }

  function turnTo(screen, id) {
    if (screen === current) return;
    Modal.closeOpen();
    current?.leave?.();
    current = screen;
    Dom.replace(content, screen.root);
    document.title = `${screen.title} · Salesmap 스냅샷`;
    Navigation.mark(id);
    window.scrollTo(0, 0);
  }

  // Other data: the screens in the background start anew when they are next opened.
  function renew() {
    if (!current) return;
    for (const [id, screen] of screens) if (screen !== current) screens.delete(id);
    if (screens.get(addressed(makers())) === current) current.refresh();
    else show();
  }

  function describe(meta) {
    const { snapshot } = meta;
    SignIn.close();
    Strip.show(meta);
    document.getElementById("workspace").textContent = Format.isBlank(snapshot?.workspace_name)
      ? ""
      : snapshot.workspace_name;
    document.getElementById("snapshot-line").textContent = snapshot
      ? `${Format.minute(snapshot.captured_at_utc)} 수집`
      : "";
    Navigation.show(sections());
  }

  // What does not depend on any answer is shown at once.
  function frame() {
    const { screen } = Route.read();
    const known = makers();
    if (screen && !known.has(screen)) return;
    content.setAttribute("aria-busy", "true");
    Dom.replace(content, known.get(screen || OrganizationsScreen.ID)().root);
  }

  async function start() {
    Theme.connect(document.getElementById("theme-button"));
    Navigation.connect();
    SearchScreen.connect(document.getElementById("everything"));
    document.querySelector(".skip-link").addEventListener("click", (event) => {
      event.preventDefault();
      content.focus();
    });
    Navigation.show(sections());
    window.addEventListener("proof-wanted", ({ detail }) =>
      SignIn.ask(detail.ask, Snapshot.lookAgain),
    );
    frame();
    await Snapshot.start({ whenNew: renew, whenKnown: describe });
    content.removeAttribute("aria-busy");
    window.addEventListener("hashchange", () => {
      Modal.closeOpen();
      show();
    });
    show();
  }

  start();
})();
