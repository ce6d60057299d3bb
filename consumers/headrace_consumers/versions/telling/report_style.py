"""How the report looks, in light and in dark."""

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root{--page:#fff;--ink:#1c2430;--soft:#5a6573;--line:#d9dee5;--good:#12703a;--bad:#b3261e;--good-back:#e3f4e9;
--bad-back:#fbe6e4;--c0:#2f6fb2;--c1:#c26a17;--c2:#3f8a4d;--c3:#7b5ea7;--c4:#8a929c;--in:#fff}
@media (prefers-color-scheme:dark){:root{--page:#14181e;--ink:#e4e8ee;--soft:#a0abb8;--line:#323a45;--good:#7fd6a0;
--bad:#ff9d94;--good-back:#173425;--bad-back:#44201d;--c0:#6ba6e6;--c1:#e8a05a;--c2:#7cc48a;--c3:#b59be0;--c4:#8d97a3;
--in:#14181e}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1100px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:26px;margin:0 0 8px;overflow-wrap:anywhere}h2{font-size:19px;margin:36px 0 12px}
.lead{font-size:17px;margin:0 0 8px}
.good,.bad{border-radius:4px;padding:1px 8px;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--good-back)}.bad{color:var(--bad);background:var(--bad-back)}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--soft);font-weight:600}
th,td{padding:6px 18px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;white-space:nowrap}
td:last-child{white-space:normal;min-width:240px;width:100%;overflow-wrap:anywhere}
details{border:1px solid var(--line);border-radius:6px;margin:8px 0;padding:8px 12px}summary{cursor:pointer}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:24px}
figure{margin:0}figcaption{font-weight:600;margin-bottom:6px}
svg{width:100%;height:auto;max-width:700px;display:block}svg text{fill:var(--ink);font:13px system-ui,sans-serif}
svg .note{fill:var(--soft);font-size:12px}svg .in{fill:var(--in);font-size:12px;font-weight:600}
.c0{fill:var(--c0)}.c1{fill:var(--c1)}.c2{fill:var(--c2)}.c3{fill:var(--c3)}.c4{fill:var(--c4)}
.axis{stroke:var(--line)}.mark{stroke:var(--bad);stroke-dasharray:4 3}
@media print{details{break-inside:avoid}}
"""
