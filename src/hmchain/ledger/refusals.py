"""What the code of a refused transaction means, and the way out: as docs/errors.md has it, for messages."""

from __future__ import annotations

REFUSALS: dict[str, tuple[str, str]] = {
    "oversized": ("larger than 64 KiB", "put large things into objects"),
    "malformed": (
        "does not decode, or not in its one encoding; in a body it uses up the nonce",
        "use the same version as the network",
    ),
    "wrong_chain": ("signed for another chain", "sign it for this chain id"),
    "bad_signature": ("the signature does not hold", "sign again"),
    "unknown_sender": ("the key belongs to no active member", "use a member's key"),
    "retired_key": ("the key was replaced by a rotation", "use the new one; restart what has the old one loaded"),
    "mempool_share": (
        "as much of this member waits in the node's mempool as its share allows",
        "wait until some of it is in blocks",
    ),
    "expired": (
        "its expiry (or the approval's) is not in the future",
        "sign again with a later one; if it was just signed, that machine's clock is behind",
    ),
    "expiry_too_far": (
        "its expiry is too far ahead: at most one hour, in the network's time",
        "the clock of the machine that signed it is ahead: set it",
    ),
    "replayed": ("its nonce was used", "sign again with a new nonce"),
    "duplicate": ("it waits already", "wait for its block"),
    "mempool_full": ("too many wait", "try again after the next block"),
    "wrong_role": ("the key has another role", "steward, scientist, agent and validator keys each do their own"),
    "bad_name": ("not 1 to 48 of `a-z 0-9 . _ -`, beginning with a letter or digit", "choose another name"),
    "bad_digest": ("not 32 bytes", "send the digest"),
    "not_initialised": ("the state has no genesis", "found the ledger first"),
    "name_taken": ("the organisation's name was used once", "choose another"),
    "key_taken": ("a key is known already", "make a new one"),
    "bad_key": ("a key, or a secret wrapped to one, has the wrong length, or is no key at all", "make it again"),
    "bad_title": ("longer than 120 characters", "shorten it"),
    "not_a_member": ("the organisation is not an active member", "check its name"),
    "last_member": ("the last member cannot be removed", "end the network instead"),
    "too_many_members": ("more than 1000", ""),
    "ballot_exists": (
        "the same action is before the members already",
        "vote on that ballot: `hmchain network ballots`",
    ),
    "no_such_ballot": ("the ballot is unknown or closed", "list the open ones"),
    "ballot_lapsed": ("the ballot is older than 30 days", "propose the same again"),
    "too_many_ballots": (
        "a member has 8 open ballots",
        "take the last yes to one of them back, or wait until one lapses",
    ),
    "not_voted": ("there is no yes of the organisation to take back", "`hmchain network ballots` shows who has voted"),
    "too_many_proposals": (
        "a member has 8 proposals of studies that wait for approval",
        "close one, or wait until it lapses",
    ),
    "wrong_protocol": (
        "not the protocol after the one in force; or a transaction that its round's rules do not have",
        "`hmchain network upgrade show`",
    ),
    "upgrade_planned": ("another upgrade is agreed on", "call it off first"),
    "upgrade_too_soon": (
        "less notice than the genesis demands (24 hours), counted from the deciding vote too",
        "propose a later time",
    ),
    "no_upgrade": ("no upgrade of that protocol is agreed on", ""),
    "already_voted": ("the organisation has voted", "once is enough"),
    "bad_parameters": ("out of range: it would stop the chain or switch a safeguard off", "see `spec.md`"),
    "bad_role": ("there is no key of that role", "steward, scientist, agent or validator"),
    "bad_roles": (
        "not a list of roles that people have, in order, each once",
        "auditor, code, ethics, officer, operator, protection, scientist, steward",
    ),
    "bad_proof_of_possession": ("the new key did not sign for taking this key's place", "sign again with the new key"),
    "not_a_validator": ("the organisation has no voting power whose key could change", ""),
    "rotated_lately": ("the validator's key changed a short while ago", "wait for 10 blocks a member"),
    "handovers_under_way": ("as many validators change keys just now as may fail", "wait for 10 blocks"),
    "suspended_person": (
        "the key's person, or office, is suspended",
        "another officer reinstates it",
    ),
    "removed_person": ("the key's person was removed, or its office given up", "act with another person's key"),
    "not_accepted": (
        "the person has not accepted the invitation yet, or has no role",
        "accept first",
    ),
    "takes_two_officers": (
        "where there are two officers, one alone does not do this",
        "the other officer confirms it",
    ),
    "too_many_people": (
        "an organisation has 500 people, those that were removed among them",
        "give a person other roles, or another key",
    ),
    "no_such_person": ("the organisation has no such person, or removed it", "the list of people shows them"),
    "no_change": ("it is so already", "nothing to do"),
    "not_active": ("only who is active can be suspended", "the list of people shows how it stands"),
    "not_suspended": ("only who is suspended can be reinstated", "the list of people shows how it stands"),
    "last_officer": ("it would leave the organisation without an officer", "make another person an officer first"),
    "too_few_people": (
        "handing over takes two named officers who are active, and a named steward",
        "invite them first",
    ),
    "change_asked": (
        "the same change waits for a second officer already",
        "another officer confirms it",
    ),
    "too_many_changes": ("32 changes of the organisation's people wait for a second officer", "confirm or drop one"),
    "own_change": ("who asked for a change does not confirm it", "another officer does"),
    "change_lapsed": (
        "the change is older than 14 days, or who asked for it is no active officer any more",
        "ask for it again",
    ),
    "no_such_change": (
        "no such change of the organisation's people waits",
        "the list of people shows those that do",
    ),
    "not_invited": ("there is no invitation to accept", "the list of people shows how it stands"),
    "other_roles": ("other roles than those of the invitation", "read it again"),
    "bad_maintenance": ("longer than 24 hours, or more than 7 days ahead", "announce a shorter one, or later"),
    "maintenance_lately": (
        "the organisation's last window began less than 7 days before",
        "wait; a short silence costs little",
    ),
    "maintenance_under_way": (
        "as many members as may fail have announced a window at that time",
        "choose another time",
    ),
    "not_jailed": ("unjailing who is not in jail", "nothing to do"),
    "dataset_exists": ("the name is registered", "publish a new version instead"),
    "bad_query": (
        "a count's query or epsilon is out of its bounds, or not in its normal form",
        "`hmchain cohort count` makes one that is",
    ),
    "bad_schema": ("sizes, channels or classes out of range", "correct the schema"),
    "no_such_dataset": ("the organisation has no such dataset", "register it"),
    "wrong_version": ("not the next version", "publish the next number"),
    "exact_count": ("a count is not a power of two of at least 64", "round it down: exact counts show single patients"),
    "no_such_version": ("that version was not published", "publish it, or name another"),
    "version_withdrawn": ("records of that version were erased, and its steward withdrew it", "use the next version"),
    "bad_policy": (
        "not canonical Cedar JSON of the allowed part, too large, or a number out of range",
        "let `hmchain policy test` read it first",
    ),
    "no_policy_waits": ("no policy of that dataset waits for another person", "`hmchain policy history`"),
    "wrong_policy": ("another policy waits than the one that was read", "read the one that waits, then confirm that"),
    "same_person": ("the same person stands behind it already", "another person's word is needed"),
    "no_such_request": ("unknown request", "check its name"),
    "wrong_specification": (
        "the digest of another specification than the study's",
        "read the study again: `hmchain study show STUDY`",
    ),
    "bad_reason": ("an unknown reason code", "one of the listed ones; no free text goes on a ledger"),
    "not_approved": ("no permit, or no approval, is in force", "the hospital's people allow it first"),
    "permit_needed": ("studies are proposed under a permit", "make a request: `hmchain study propose FILE`"),
    "not_permitted": (
        "the study asks for something else than the permit allows, or the permit is not in force",
        "`hmchain request show NAME` shows what is allowed, and until when",
    ),
    "permit_used": ("another study was opened under this permit", "copy the request, and have it decided"),
    "not_the_applicant": ("neither the applicant's organisation nor a member of the request", "be invited to it"),
    "under_permit": ("people decide on this study's request", "`hmchain request show NAME`"),
    "study_closed": ("the study is over", "nothing is left to decide: `hmchain study status`"),
    "study_exists": ("the name is taken", "choose another"),
    "no_such_study": ("unknown study", "check its name"),
    "model_taken": (
        "another study starts from this first model, or summed over these weights",
        "propose it under a name of its own",
    ),
    "participants_not_in_order": ("not sorted by name, each once", "sort them"),
    "too_few_participants": ("fewer than 3", "a sum of two hides nothing"),
    "bad_colluders": ("the colluders that a study withstands are more than f of the consortium", "pin at most f"),
    "too_few_beside_colluders": (
        "fewer than two hospitals would be left beside the colluders",
        "ask more hospitals, or pin fewer `colluders`",
    ),
    "too_many_participants": ("more than the arithmetic allows", "split the study"),
    "schema_mismatch": ("a dataset has another schema", "use datasets of one schema"),
    "bad_purpose": ("no GA4GH DUO code", "such as `DUO:0000006`"),
    "bad_rounds": ("number of rounds out of range", "1 to 10 000"),
    "bad_rule": ("the rule cannot be computed exactly, or does not fit", "see the arithmetic's limits"),
    "bad_seed": ("a mask or opening seed is not 32 bytes long", "32 bytes"),
    "server_rate_too_low": (
        "the server's learning rate is below 1/16",
        "raise it: sums over a model that stands still give updates away",
    ),
    "bad_gate": ("tolerance or clipping norm out of range", "correct them"),
    "bad_deadlines": (
        "a deadline is shorter than the network allows (`deadline_ms_min`, 10 s) or longer than 7 days",
        "correct it",
    ),
    "model_too_large": ("the model has more chunks than a round can handle", "choose a smaller architecture"),
    "spec_too_large": ("architecture or plan too long", "shorten it"),
    "not_a_participant": ("the organisation takes no part", ""),
    "not_the_proposer": (
        "only the proposing member may; others may resume where it is no member any more",
        "ask it, or let stewards vote: `hmchain study close STUDY --vote`",
    ),
    "not_paused": ("the study is not paused", "nothing to do"),
    "not_running": ("the study is not running", "wait, or resume it"),
    "not_open": ("the study has no round yet", "wait until it opens"),
    "already_joined": ("joined before", "once is enough"),
    "already_agreed": ("pair secrets were sent before", "once is enough"),
    "wrong_seed": ("a seed is not the one that was bound", "send the bound one"),
    "wrong_count": ("not one item for each that is needed", "send all, in order"),
    "wrong_round": ("another round or attempt is current", "read the ledger again"),
    "wrong_phase": ("the round is in another phase", "read the ledger again"),
    "wrong_base": ("trained from another model", "fetch the base model that the round names"),
    "already_committed": ("an update is bound for this attempt", "its bytes must never change"),
    "already_attested": ("attested before", "once is enough"),
    "already_revealed": ("revealed before", "once is enough"),
    "already_confirmed": ("confirmed before", "once is enough"),
    "bad_list": ("empty, or names someone twice", "name each once"),
    "no_such_update": ("there is no update of that participant", ""),
    "own_update": ("nobody attests for oneself", ""),
    "not_frozen": ("not in the frozen set", "keep the self seed secret"),
    "not_revealed": ("a survivor has not revealed yet", "wait for the reveal phase to end"),
    "wrong_pairs": ("not the pair seeds with those outside the frozen set", "reveal exactly those"),
    "not_the_master": ("another one is master", "wait for your turn in the ranking"),
    "own_aggregate": ("the master does not confirm itself", ""),
    "roots_differ": ("other roots than posted", "compute again; if they differ, dispute one chunk"),
    "no_vote": ("no vote was bound", "bind it in its phase"),
    "wrong_vote": ("not the vote that was bound", "open the bound one"),
    "bad_salt": ("the salt is not 32 bytes", ""),
    "not_due": ("the deadline is not over, in time and in blocks", "wait"),
    "nothing_posted": ("no aggregate to dispute", "wait until one is posted"),
    "wrong_master": ("the dispute is about a master that is no longer in office", "look at what the next one posted"),
    "dispute_spent": ("an earlier dispute of yours proved nothing in this attempt", "leave it to another participant"),
    "bad_path": ("a path does not lead to its root", "send the leaf with its path"),
    "bad_proof": ("the chunk cannot be recomputed from what was shown", "show every object's chunk, in order"),
    "not_wrong": ("the posted chunk is right", "there is no fraud here"),
}
"""Code to meaning and way out; the latter may be empty."""

_HERE = {
    "expired": "if it was just signed, this machine's clock is behind the network's: set it",
    "expiry_too_far": "this machine's clock is ahead of the network's: set it",
}
"""Where whoever reads it sits at the machine that signed."""
_OF_ALL = "docs/errors.md explains the code"


def refusal_words(code: str) -> str:
    """A code and what it means, in a line."""
    return f"{code}: {REFUSALS[code][0]}" if code in REFUSALS else code


def refusal_hint(code: str) -> str:
    """The way out of a refusal, where it can be told in a line."""
    return _HERE.get(code) or (REFUSALS[code][1] if code in REFUSALS else _OF_ALL)
