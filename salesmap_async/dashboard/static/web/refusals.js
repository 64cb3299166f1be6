// What the API's refusals mean, in Korean. The API's own words, which are English, are kept beside:
// who helps may need them.
"use strict";

// For a person: a sentence, lines of detail, a command that helps, what the API itself said.
class ApiError extends Error {
  constructor(message, { status = 0, lines = [], command = null, original = null } = {}) {
    super(message);
    this.status = status;
    this.lines = lines;
    this.command = command;
    this.original = original;
  }
}

const Refusals = (() => {
  // What the API says, as far as it is known; `$1` stands for what it names.
  const SENTENCES = [
    [/^There is no organization (.*)$/s, "조직을 찾을 수 없습니다: $1"],
    [/^There is no person (.*)$/s, "사람을 찾을 수 없습니다: $1"],
    [/^There is no deal (.*)$/s, "딜을 찾을 수 없습니다: $1"],
    [/^There is no team (.*); configured:.*$/s, "설정에 없는 팀입니다: $1"],
    [/^There is no team (.*)$/s, "설정에 없는 팀입니다: $1"],
    [/^Database not found .*$/s, "스냅샷 DB가 아직 없습니다. 먼저 수집을 실행하세요."],
    [
      /^The database is locked .*$/s,
      "다른 프로그램이 DB를 쓰고 있습니다. 잠시 뒤에 다시 시도하세요.",
    ],
    [/^The database cannot be read.*$/s, "스냅샷 DB를 읽을 수 없습니다. 점검 명령을 실행하세요."],
    [/^.* is being replaced\..*$/s, "스냅샷이 바뀌는 중입니다. 잠시 뒤에 다시 시도하세요."],
    [/^.* cannot be looked at: .*$/s, "스냅샷 DB 파일에 접근할 수 없습니다."],
    [
      /^Unknown host .*$/s,
      "이 주소로는 열 수 없습니다. dashboard.toml의 allowed_hosts를 확인하세요.",
    ],
  ];
  const BY_STATUS = {
    401: "로그인이 필요합니다.",
    403: "서버가 있는 컴퓨터에서만 볼 수 있습니다. 함께 보려면 서버에 토큰을 설정하세요.",
    404: "API에 없는 주소입니다. 페이지와 서버의 버전이 같은지 확인하세요.",
    429: "틀린 토큰이나 비밀번호가 많아 잠시 받지 않습니다. 몇 초 뒤에 다시 시도하세요.",
    422: "요청한 값이 올바르지 않습니다. 주소(링크)를 확인하세요.",
    500: "서버에서 오류가 났습니다. 서버의 로그를 확인하세요.",
  };
  const IS_KOREAN = /[가-힣]/;

  // `detail` comes as a text, as a list (422) or as an object (503); `command` stands beside it.
  function toError(status, { detail = null, command = null }) {
    if (Array.isArray(detail)) return sentence(status, detail.map(place).join("\n"), null);
    if (typeof detail === "string") return sentence(status, detail, command);
    return ofObject(status, { command, ...detail });
  }

  const place = (each) => `${(each.loc ?? []).join(".")}: ${each.msg}`;

  function ofObject(status, { command, missing, ...rest }) {
    const said = Object.values(rest).filter((value) => typeof value === "string");
    if (!Array.isArray(missing)) return sentence(status, said.join("\n"), command);
    return new ApiError("스냅샷에 필요한 테이블이나 열이 없습니다.", {
      status,
      lines: missing,
      command,
      original: said.join("\n") || null,
    });
  }

  function sentence(status, said, command) {
    const known = SENTENCES.find(([pattern]) => pattern.test(said));
    if (!known && IS_KOREAN.test(said)) return new ApiError(said, { status, command });
    const message = known
      ? said.replace(known[0], known[1])
      : (BY_STATUS[status] ?? `API가 오류로 답했습니다 (HTTP ${status}).`);
    return new ApiError(message, { status, command, original: said || null });
  }

  return { toError };
})();
