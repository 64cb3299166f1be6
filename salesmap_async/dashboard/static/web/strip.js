// One line over every screen and every printed page: whose data this is, how old it is, and whether
// the last run failed.
"use strict";

const Strip = (() => {
  const FAILED = {
    failed: "마지막 실행이 실패했습니다",
    killed: "마지막 실행이 강제로 끝났습니다",
    interrupted: "마지막 실행이 중단되었습니다",
    refused: "마지막 실행이 게시되지 않았습니다",
    kept_aside: "마지막 실행의 새 DB가 교체를 기다립니다",
  };

  function show({ snapshot, last_run: run }) {
    const failed = FAILED[run?.status];
    Dom.replace(
      document.getElementById("strip"),
      snapshot
        ? [
            Dom.el("strong", {}, Format.text(snapshot.workspace_name)),
            Dom.el(
              "span",
              { class: snapshot.stale ? "strip-warning" : "" },
              `${Format.minute(snapshot.captured_at_utc)} 수집 (${Format.duration(snapshot.age_s)} 전)`,
            ),
          ]
        : null,
      failed
        ? Dom.el(
            "a",
            { class: "strip-problem", href: Route.hash(OperationsScreen.ID) },
            `${failed}: ${run.run_tag}`,
          )
        : null,
    );
  }

  return { show };
})();
