"""Records against what clients noted: which are missing, which nobody asked for, which say something else."""
import collections
import hashlib


def value(record, path):
    for key in path.split("."):
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def differences(wanted, record):
    return [(p, v, value(record, p)) for p, v in wanted["fields"].items() if value(record, p) != v]


def body(e):
    return e.get(e["event_type"], {})


def shown(v):
    text = repr(v)
    return text if len(text) < 160 else f"{text[:110]} … {text[-40:]}"


def pair(want, have):
    """(wanted without a record like it, records that nobody wanted); each record is one wanted one's"""
    left = list(have)
    missing = []
    for w in want:
        found = next((e for e in left if e["event_type"] == w["event"] and not differences(w, body(e))), None)
        if found is None:
            missing.append(w)
        else:
            left.remove(found)
    return missing, left


def tell(missing, left):
    """what is wrong, in lines; a missing record is shown beside the one that is most like it"""
    lines, rest = [], list(left)
    for w in missing:
        like = [e for e in rest if e["event_type"] == w["event"]]
        if not like:
            lines.append(f"missing: {w['event']} {shown(w['fields'])}")
            continue
        nearest = min(like, key=lambda e: len(differences(w, body(e))))
        rest.remove(nearest)
        lines.append(f"differs: {w['event']} {shown({k: w['fields'][k] for k in list(w['fields'])[:4]})}")
        lines += [f"    {p}: client {shown(v)}, record {shown(is_)}" for p, v, is_ in differences(w, body(nearest))]
    return lines + [f"surplus: {e['event_type']} {shown(body(e))}" for e in rest]


def hashes(want, have):
    """prompts as clients have them against the digests of records without content"""
    sha = lambda t: hashlib.sha256(t.encode()).hexdigest()
    asked = collections.Counter(sha(w["fields"]["prompt"]) for w in want if w["fields"].get("prompt"))
    told = collections.Counter(value(body(e), "prompt.sha256") for e in have)
    return [f"no record has the digest of a prompt: {h} ({n} of them)" for h, n in (asked - told).items()]


def joins(records):
    """calls whose `http` or `websocket` record is not there under their flow and number"""
    carriers = {(e["flow_id"], e.get("tx_id")) for e in records if e["event_type"] in ("http", "websocket")}
    return [f"no record of the carrier: {shown(e['ai'].get('request'))}" for e in records
            if e["event_type"] == "ai" and e["ai"]["carrier"].startswith("http") and (e["flow_id"], e.get("tx_id")) not in carriers]
