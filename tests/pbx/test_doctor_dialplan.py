"""The doctor's reading of a dialplan, on events as `ShowDialPlan` sends them."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaglio.pbx.doctor.dialplan import Dialplan, read
from vaglio.pbx.doctor.examination import Surroundings, examine, variables_in
from vaglio.pbx.doctor.finding import Finding, Level
from vaglio.pbx.doctor.patterns import matches, overlap
from vaglio.pbx.doctor.steps import parts
from vaglio.pbx.doctor.trunks import Reach, number_in, reach

TRUNKS = ("PJSIP/trunk", "DAHDI/i1")
GATE = """
[vaglio]
s,1,Set(LOCAL(AGIEXITONHANGUP)=yes)
ask,1,Set(TIMEOUT(absolute)=0.5)
ask,2,AGI(agi://127.0.0.1:4573/screen,${NUMBER})
T,1,Return()
[vaglio-gate]
s,1,Return()
[vaglio-emergency]
112,1,Return()
"""


def events(text: str) -> list[Mapping[str, str]]:
    """Lines `extension,priority,Application(data)`, `include NAME` and `switch NAME` as events."""
    found: list[Mapping[str, str]] = []
    context = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if line.startswith("["):
            context = line[1:-1]
        elif word == "include":
            found.append({"Event": "ListDialplan", "Context": context, "IncludeContext": rest})
        elif word == "switch":
            found.append({"Event": "ListDialplan", "Context": context, "Switch": rest})
        else:
            extension, priority, application = line.split(",", 2)
            priority, _, label = priority.partition(":")
            name, _, data = application.partition("(")
            found.append(
                {
                    "Event": "ListDialplan",
                    "Context": context,
                    "Extension": extension,
                    "ExtensionLabel": label,
                    "Priority": priority,
                    "Application": name,
                    "AppData": data[:-1],
                }
            )
    return found


def dialplan(text: str, gate: str = GATE) -> Dialplan:
    return read(events(gate + text))


def found(
    text: str, gate: str = GATE, variables: Mapping[str, str] | None = None, entrances: tuple[str, ...] = ()
) -> list[Finding]:
    around = Surroundings(TRUNKS, variables or {}, entrances)
    return [one for one in examine(dialplan(text, gate), around) if one.level is not Level.NOTE]


def places(some: list[Finding]) -> list[tuple[str, str, str, int]]:
    return [(one.check, one.context, one.extension, one.priority) for one in some]


GATED = """
[out]
_X.,1,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30,b(vaglio-gate^s^1))
"""


def test_a_gated_dial_is_healthy() -> None:
    """Gosub before Dial, b() on it: nothing to say."""
    assert found(GATED) == []


def test_a_dial_before_the_gate_is_a_path() -> None:
    """The order counts, not the presence."""
    text = "[out]\n_X.,1,Dial(PJSIP/${EXTEN}@trunk)\n_X.,2,Gosub(vaglio,s,1(${EXTEN},energy))\n"
    assert places(found(text)) == [("path", "out", "_X.", 1)]


def test_a_missing_second_gate_is_found() -> None:
    """The verdict was asked for; the number may still change."""
    text = GATED.replace(",30,b(vaglio-gate^s^1)", ",30,gT")
    assert places(found(text)) == [("second-gate", "out", "_X.", 2)]


def test_a_conditional_gate_leaves_the_other_way_open() -> None:
    """GosubIf asks for some calls only."""
    text = """
[out]
_X.,1,GosubIf($["${CHANNEL}" = "x"]?vaglio,s,1(${EXTEN},energy))
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30)
"""
    assert places(found(text)) == [("path", "out", "_X.", 2)]


def test_a_jump_over_the_gate_is_a_path() -> None:
    """A label behind the gate is a way past it."""
    text = """
[out]
_X.,1,GotoIf($[${LEN(${EXTEN})} < 5]?dial)
_X.,2,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,3:dial,Dial(PJSIP/${EXTEN}@trunk,30)
"""
    assert places(found(text)) == [("path", "out", "_X.", 3)]


def test_the_gate_may_stand_in_a_subroutine() -> None:
    """What a subroutine or macro has asked holds after it returns."""
    text = """
[out]
_X.,1,Gosub(screen,s,1)
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30,b(vaglio-gate^s^1))
[screen]
s,1,Gosub(vaglio,s,1(${NUMBER},energy))
s,2,Return()
[other]
_X.,1,Macro(hook,${EXTEN})
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30,b(vaglio-gate^s^1))
[macro-hook]
s,1,Gosub(vaglio,s,1(${ARG1},energy))
"""
    assert found(text) == []


def test_a_subroutine_that_asks_sometimes_is_a_path() -> None:
    """One way through it returns without the gate's word."""
    text = """
[out]
_X.,1,Gosub(screen,s,1)
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30,b(other^s^1))
[screen]
s,1,GotoIf($[1 = 2]?end)
s,2,Gosub(vaglio,s,1(${NUMBER},energy))
s,3:end,Return()
"""
    assert places(found(text)) == [("path", "out", "_X.", 2)]


def test_a_subroutine_that_calls_itself_is_followed_to_its_end() -> None:
    """Recursion ends the examination neither too late nor too early."""
    text = """
[out]
_X.,1,Gosub(again,s,1)
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30)
[again]
s,1,GosubIf($[1 = 2]?again,s,1)
s,2,Return()
"""
    assert places(found(text)) == [("path", "out", "_X.", 2)]


def test_the_gate_before_a_local_channel_holds_behind_it() -> None:
    """The pass is inherited; the context behind is reached by gated calls alone."""
    text = """
[out]
_X.,1,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,2,Dial(Local/${EXTEN}@behind/n,30)
[behind]
_X.,1,Dial(PJSIP/${EXTEN}@trunk,30,b(vaglio-gate^s^1))
"""
    assert found(text) == []


def test_an_endpoint_in_that_context_opens_it() -> None:
    """What a phone can dial into is no inner room."""
    text = """
[out]
_X.,1,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,2,Goto(behind,${EXTEN},1)
[behind]
_X.,1,Dial(PJSIP/${EXTEN}@trunk,30)
"""
    assert places(found(text)) == [("second-gate", "behind", "_X.", 1)]
    assert places(found(text, entrances=("behind",))) == [("path", "behind", "_X.", 1)]


def test_an_included_context_is_open_like_the_one_that_includes_it() -> None:
    """Calls into the outer context reach the inner one's extensions."""
    text = """
[phones]
include inner|9:00-17:00|mon-fri
[out]
_X.,1,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,2,Goto(inner,${EXTEN},1)
[inner]
_X.,1,Dial(PJSIP/${EXTEN}@trunk,30)
"""
    assert places(found(text)) == [("path", "inner", "_X.", 1)]


def test_a_leg_nobody_jumps_to_in_a_way_that_is_seen_is_examined() -> None:
    """Two contexts that reach only each other are not forgotten."""
    text = """
[a]
s,1,Goto(b,s,1)
[b]
s,1,GotoIf($[1 = 2]?a,s,1)
s,2,Dial(PJSIP/1@trunk)
"""
    assert places(found(text)) == [("path", "b", "s", 2)]


def test_an_extension_goes_on_in_another_that_matches() -> None:
    """Asterisk looks each priority up anew: a gate in the narrow pattern does not help behind it."""
    text = """
[out]
_9X.,1,NoOp()
_X.,1,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,2,Dial(PJSIP/${EXTEN}@trunk,30)
"""
    assert places(found(text)) == [("path", "out", "_X.", 2)]


def test_of_several_b_options_the_last_one_counts() -> None:
    """Dial heeds no other."""
    text = GATED.replace("b(vaglio-gate^s^1)", "b(vaglio-gate^s^1)b(headers^s^1)")
    assert places(found(text)) == [("second-gate", "out", "_X.", 2)]


def test_an_address_that_is_dialled_is_a_doubt() -> None:
    """No peer, so no trunk: but it leaves."""
    assert [one.check for one in found("[out]\n_X.,1,Dial(SIP/${EXTEN}@10.0.0.1,30)\n")] == ["host"]


def test_a_context_people_can_transfer_into_is_open() -> None:
    """TRANSFER_CONTEXT names it."""
    text = """
[out]
_X.,1,Gosub(vaglio,s,1(${EXTEN},energy))
_X.,2,Set(__TRANSFER_CONTEXT=behind)
_X.,3,Goto(behind,${EXTEN},1)
[behind]
_X.,1,Dial(PJSIP/${EXTEN}@trunk,30)
"""
    assert places(found(text)) == [("path", "behind", "_X.", 1)]


def test_twenty_thousand_extensions_are_examined_in_seconds() -> None:
    """A large PBX keeps nobody waiting; the bound is generous for a busy machine."""
    rows = [f"{n},1,NoOp()\n{n},2,Goto(out,{n},1)" for n in range(100_000, 120_000)]
    begun = time.monotonic()
    assert found("[phones]\n" + "\n".join(rows) + GATED) == []
    assert time.monotonic() - begun < 15


def test_an_originate_to_a_trunk_is_a_path_whatever_was_asked() -> None:
    """The pass is of another channel."""
    text = "[out]\n_X.,1,Gosub(vaglio,s,1(1,e))\n_X.,2,Originate(PJSIP/${EXTEN}@trunk,app,Wait,9)\n"
    assert places(found(text)) == [("path", "out", "_X.", 2)]


def test_an_execif_that_dials_is_a_dial() -> None:
    """Applications inside applications are read."""
    text = "[out]\n_X.,1,ExecIf($[1 = 1]?Dial(PJSIP/${EXTEN}@trunk,30):NoOp(a:b))\n"
    assert places(found(text)) == [("path", "out", "_X.", 1)]


def test_of_several_legs_each_is_judged() -> None:
    """`&` rings an agent and a trunk at once."""
    text = "[out]\n_X.,1,Dial(PJSIP/agent&PJSIP/${EXTEN}@trunk,30)\n"
    assert places(found(text)) == [("path", "out", "_X.", 1)]


def test_a_variable_is_a_doubt_and_a_known_global_is_none() -> None:
    """Only where the PBX tells the value can the doctor tell the way."""
    text = "[out]\n_9X.,1,Dial(${CARRIER}/${EXTEN:1},30,tTo)\n"
    assert [one.level for one in found(text)] == [Level.DOUBT]
    assert variables_in(dialplan(text)) == ["CARRIER"]
    assert places(found(text, variables={"CARRIER": "PJSIP/trunk"})) == [("path", "out", "_9X.", 1)]
    assert found(text, variables={"CARRIER": "PJSIP/agent"}) == []


def test_a_gated_variable_is_no_doubt() -> None:
    """Wherever it leads, the gate has spoken."""
    text = "[out]\n_X.,1,Gosub(vaglio,s,1(${EXTEN},e))\n_X.,2,Dial(${WAY}/${EXTEN},30,b(vaglio-gate^s^1))\n"
    assert found(text) == []


def test_the_line_to_add_names_the_number_that_is_dialled() -> None:
    """It can be copied."""
    (one,) = found("[out]\n_X.,1,Dial(PJSIP/+39${EXTEN:1}@trunk,30)\n")
    assert one.line == "same => n,Gosub(vaglio,s,1(${FILTER(0-9+,+39${EXTEN:1})},CAMPAIGN))"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("T,1,Return()\n", "", "no extension T"),
        ("AGIEXITONHANGUP)=yes", "OTHER)=yes", "AGIEXITONHANGUP"),
        ("=0.5", "=0", "no time limit"),
    ],
)
def test_a_question_without_its_watchdog_is_found(old: str, new: str, says: str) -> None:
    """Each of the three is needed: with one missing a silent service holds the call."""
    (one,) = found("", GATE.replace(old, new))
    assert one.check == "watchdog"
    assert says in one.what


def test_a_missing_gate_is_found_with_what_to_copy() -> None:
    """Nothing of Vaglio is loaded."""
    assert [one.context for one in found("[x]\ns,1,NoOp()\n", "")] == ["vaglio", "vaglio-gate", "vaglio-emergency"]


def test_a_bypass_in_the_predial_hook_is_found() -> None:
    """It falls through to the next trunk, in ExecIf too."""
    text = (
        '[macro-dialout-trunk-predial-hook]\ns,1,ExecIf($["a" = "b"]?Set(PREDIAL_HOOK_RET=BYPASS))\ns,2,Return()\n'
    )
    assert [one.check for one in found(text)] == ["bypass"]


@pytest.mark.parametrize(
    ("text", "ring"),
    [
        ("[a]\ninclude a\n", "a → a"),
        ("[a]\ninclude b\n[b]\ninclude c\n[c]\ninclude b\n", "b → c → b"),
        ("[z]\ninclude a\n[a]\ninclude m\n[m]\ninclude a\n", "a → m → a"),
    ],
)
def test_an_include_that_goes_round_is_told_once(text: str, ring: str) -> None:
    """Whatever context it is entered from."""
    (one,) = found(text)
    assert one.check == "include"
    assert ring in one.what


def test_a_switch_cannot_be_seen_into() -> None:
    """Realtime extensions are not in ShowDialPlan."""
    assert places(found("[out]\nswitch Realtime/out@extensions\n")) == [("switch", "out", "", 0)]


@pytest.mark.parametrize(
    ("destination", "extension", "leads"),
    [
        ("PJSIP/${NUMBER}@trunk", "s", Reach.TRUNK),
        ("PJSIP/trunk/sip:${NUMBER}@10.0.0.1", "s", Reach.TRUNK),
        ("pjsip/1@trunk", "s", Reach.TRUNK),
        ("SIP/trunk/1", "s", Reach.ELSEWHERE),
        ("DAHDI/g1/1", "s", Reach.TRUNK),
        ("PJSIP/${EXTEN}", "_1XX", Reach.ELSEWHERE),
        ("PJSIP/${EXTEN}", "_1X.", Reach.UNKNOWN),
        ("PJSIP/${EXTEN}@${PEER}", "_X.", Reach.UNKNOWN),
        ("${PJSIP_DIAL_CONTACTS(101)}", "101", Reach.UNKNOWN),
        ("${OUT_${DIAL_TRUNK}}/${OUTNUM}", "s", Reach.UNKNOWN),
        ("PJSIP/agent", "s", Reach.ELSEWHERE),
        ("SIP/${EXTEN}@10.0.0.1", "_X.", Reach.HOST),
    ],
)
def test_where_a_destination_leads(destination: str, extension: str, leads: Reach) -> None:
    """By technology and peer, in each of the forms Asterisk takes."""
    assert reach(destination, extension, TRUNKS) is leads


def test_a_bare_trunk_is_of_any_technology() -> None:
    """As the guard reads it."""
    assert reach("IAX2/user@carrier/1", "s", ("carrier",)) is Reach.TRUNK


@pytest.mark.parametrize(
    ("destination", "number"),
    [
        ("PJSIP/${NUMBER}@trunk", "${NUMBER}"),
        ("SIP/trunk/${EXTEN:1}", "${EXTEN:1}"),
        ("PJSIP/trunk/sip:${N}@host", "${N}"),
        ("${WAY}/${OUTNUM}", "${OUTNUM}"),
    ],
)
def test_the_number_in_a_destination(destination: str, number: str) -> None:
    """The part the gate has to be asked for."""
    assert number_in(destination) == number


@pytest.mark.parametrize(
    ("pattern", "dialled", "whether"),
    [
        ("_X.", "12", True),
        ("_X.", "1", False),
        ("_X!", "1", True),
        ("_[+0-9]!", "+39", True),
        ("_9NXX", "9299", True),
        ("_9NXX", "9199", False),
        ("_Z", "0", False),
        ("s", "s", True),
        ("100", "1000", False),
    ],
)
def test_patterns_match_as_asterisk_does(pattern: str, dialled: str, whether: bool) -> None:  # noqa: FBT001
    """X, Z, N, brackets, full stop and exclamation mark."""
    assert matches(pattern, dialled) is whether


@given(st.text("XZN123.!", min_size=1, max_size=6), st.text("XZN123.!", min_size=1, max_size=6))
def test_overlap_asks_no_order(one: str, other: str) -> None:
    """Two patterns overlap or they do not, whichever comes first, and each with itself."""
    assert overlap(f"_{one}", f"_{other}") == overlap(f"_{other}", f"_{one}")
    assert overlap(f"_{one}", f"_{one}")


@given(st.text(max_size=80))
def test_arguments_are_parted_without_loss(text: str) -> None:
    """Whatever brackets and quotes do, nothing is dropped."""
    assert ",".join(parts(text)) == text


@given(st.text('()[]{},:?"$ab1', max_size=60), st.sampled_from(["Dial", "GotoIf", "Gosub", "ExecIf", "Originate"]))
def test_no_line_of_a_dialplan_breaks_the_examination(data: str, application: str) -> None:
    """A PBX may say anything."""
    found(f"[out]\ns,1,{application}({data.strip()})\ns,2,Dial(PJSIP/1@trunk)\n")
