// The columns of the organization screen: Won by upper organization, people, deals.
"use strict";

const OrgColumns = (() => {
  const PEOPLE = [
    {
      label: "이름",
      cell: (person) =>
        Dom.outward(Format.text(person.name), Snapshot.crmLink("people", person.id)),
      className: "name",
    },
    { label: "소속 상위 조직", cell: (person) => Format.text(person.upper_org) },
    { label: "팀(명함/메일서명)", cell: (person) => Format.text(person.team_signature) },
    { label: "직급(명함/메일서명)", cell: (person) => Format.text(person.title_signature) },
    { label: "담당 교육 영역", cell: (person) => Format.text(person.edu_area) },
    { label: "Deal", numeric: true, cell: (person) => Format.count(person.deal_count) },
    { label: "웹폼 내역", cell: (person) => Webforms.button(person), className: "act" },
  ];

  const DEALS = [
    { label: "생성일", cell: (deal) => Format.date(deal.created_at), className: "day" },
    {
      label: "이름",
      cell: (deal) => Dom.outward(Format.text(deal.name), Snapshot.crmLink("deal", deal.id)),
      className: "name",
    },
    {
      label: "상태",
      cell: (deal) =>
        Dom.el(
          "span",
          { class: "status", data: { status: Format.text(deal.status) } },
          Format.text(deal.status),
        ),
    },
    { label: "금액(억)", numeric: true, cell: (deal) => Format.krw(deal.amount) },
    { label: "예상 체결액(억)", numeric: true, cell: (deal) => Format.krw(deal.expected_amount) },
    { label: "계약 체결일", cell: (deal) => Format.date(deal.contract_date), className: "day" },
    { label: "담당자", cell: (deal) => Format.text(deal.ownerName), className: "short" },
    { label: "이력", cell: (deal) => Life.button("deal", deal.id, deal.name), className: "act" },
  ];

  // The deals of a sum, those without a person among them.
  function dealsLink(row, org) {
    return Dom.el(
      "a",
      { href: Route.hash("deals", { organization: org, state: "won" }) },
      Format.count(row.dealCount),
    );
  }

  function won(years, org) {
    const [base] = years.slice(-1);
    const owner = Snapshot.meta().own_side_owner_label;
    const list = (label, field) => ({
      label,
      cell: (row) => Format.names(row[field]),
      className: "long",
    });
    return [
      { label: "상위 조직", cell: (row) => Format.text(row.upper_org), className: "name" },
      ...years.map((year) => ({
        label: `${year}`,
        numeric: true,
        cell: (row) => Format.krw(row[`won${year}`]),
      })),
      { label: "합계", numeric: true, cell: (row) => Format.krw(row.total) },
      { label: "Deal", numeric: true, cell: (row) => dealsLink(row, org) },
      list("고객 담당자", "contacts"),
      list(owner, "owners"),
      list(`${base} ${owner}`, `owners${base}`),
    ];
  }

  return { PEOPLE, DEALS, won };
})();
