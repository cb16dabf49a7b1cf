"""The ledger's statements for PostgreSQL, each one transaction together with its binding.

They are prepared once per connection and their plans pinned, so no statement may lean on statistics: a
plan made for an empty table must serve a million rows. The form of the text leaves the planner nothing to
choose (`_one`, TIDs, arrays taken for one row). Every statement names its tenant, or runs in platform mode
over `work`, `turns` and `tenants`.
"""

from __future__ import annotations

from courierx_core.work import WorkItem
from courierx_sql.causes_postgresql import cause

ITEM = ", ".join(WorkItem.__struct_fields__)

# `heads`: a loose scan of the index `work_ready`, one step for each tenant with ready items and not one
# for each item. Turns are start-time fair queueing: a tenant pays, by weight, for each delivery that its
# items have left (1 for other work: a share does not depend on how mail is cut up) from the later of what it
# has paid and the clock (the row of tenant 0: where the last one served started), so a newcomer, or one back
# from a pause, starts level with the rest: neither behind nor with a claim on the past.
# An item that somebody changed while it was being picked has another TID by now: it is taken next time.
CLAIM = f"""
WITH RECURSIVE heads AS (
    SELECT head.* FROM unnest($2::text[]) AS s(stream) CROSS JOIN LATERAL (
        SELECT w.stream, w.tenant_id, w.due_at FROM work w
         WHERE w.state = 'ready' AND w.stream = s.stream AND w.topic = ANY($3::text[])
           AND ($4::int8 IS NULL OR w.subject_id = $4::int8)
         ORDER BY w.tenant_id, w.due_at, w.id LIMIT 1) AS head
    UNION ALL
    SELECT head.* FROM heads h CROSS JOIN LATERAL (
        SELECT w.stream, w.tenant_id, w.due_at FROM work w
         WHERE w.state = 'ready' AND w.stream = h.stream AND w.tenant_id > h.tenant_id
           AND w.topic = ANY($3::text[]) AND ($4::int8 IS NULL OR w.subject_id = $4::int8)
         ORDER BY w.tenant_id, w.due_at, w.id LIMIT 1) AS head
), clock AS MATERIALIZED (
    SELECT coalesce((SELECT spent FROM turns WHERE tenant_id = 0), 0) AS spent
), waiting AS (
    SELECT h.stream, h.tenant_id, greatest(t.spent, clock.spent) AS start
      FROM heads h CROSS JOIN clock LEFT JOIN turns t ON t.tenant_id = h.tenant_id
     WHERE h.due_at <= now()
     ORDER BY h.stream = 'broadcast', 3, coalesce(t.spent, clock.spent), h.tenant_id LIMIT 32
), first AS MATERIALIZED (
    SELECT x.*, waiting.start FROM waiting CROSS JOIN LATERAL (
        SELECT w.stream, w.tenant_id, w.topic, w.id FROM work w
         WHERE w.state = 'ready' AND w.stream = waiting.stream AND w.tenant_id = waiting.tenant_id
           AND w.due_at <= now() AND w.topic = ANY($3::text[])
           AND ($4::int8 IS NULL OR w.subject_id = $4::int8)
         ORDER BY w.due_at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED) AS x
     LIMIT 1
), picked AS MATERIALIZED (
    SELECT w.ctid AS at FROM work w
     WHERE w.state = 'ready' AND w.stream = (SELECT stream FROM first)
       AND w.tenant_id = (SELECT tenant_id FROM first) AND w.topic = (SELECT topic FROM first)
       AND w.due_at <= now() AND ($4::int8 IS NULL OR w.subject_id = $4::int8)
     ORDER BY w.due_at, w.id LIMIT $5::int8 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE work w SET state = 'leased', owner = $1::text, epoch = w.epoch + 1,
           lease_until = now() + make_interval(secs => $6::float8)
      FROM picked WHERE w.ctid = picked.at AND w.tenant_id = (SELECT tenant_id FROM first)
    RETURNING w.*
), price AS MATERIALIZED (
    SELECT sum(CASE WHEN topic <> 'send' THEN 1
                    WHEN ids IS NULL THEN greatest(hi - cursor, 1)
                    ELSE greatest((SELECT count(*) FROM unnest(ids) AS i(id) WHERE i.id > cursor), 1)
               END)::float8 / coalesce(
        (SELECT weight FROM tenants WHERE id = (SELECT tenant_id FROM first)), 1) AS cost FROM taken
), paid AS (
    INSERT INTO turns (tenant_id, spent)
    SELECT 0, start FROM first
    UNION ALL
    SELECT tenant_id, start + cost FROM first CROSS JOIN price
    ON CONFLICT (tenant_id) DO UPDATE
       SET spent = greatest(turns.spent, (SELECT start FROM first))
                 + CASE turns.tenant_id WHEN 0 THEN 0 ELSE (SELECT cost FROM price) END
)
SELECT {ITEM} FROM taken ORDER BY due_at, id
"""

RENEW = """
UPDATE work SET lease_until = now() + make_interval(secs => $2::float8)
 WHERE lease_until > now() AND owner = $1::text AND state = 'leased'
RETURNING id
"""

NEXT_DUE = """
WITH RECURSIVE heads AS (
    SELECT head.* FROM unnest($1::text[]) AS s(stream) CROSS JOIN LATERAL (
        SELECT w.stream, w.tenant_id, w.due_at FROM work w
         WHERE w.state = 'ready' AND w.stream = s.stream AND w.topic = ANY($2::text[])
         ORDER BY w.tenant_id, w.due_at, w.id LIMIT 1) AS head
    UNION ALL
    SELECT head.* FROM heads h CROSS JOIN LATERAL (
        SELECT w.stream, w.tenant_id, w.due_at FROM work w
         WHERE w.state = 'ready' AND w.stream = h.stream AND w.tenant_id > h.tenant_id
           AND w.topic = ANY($2::text[])
         ORDER BY w.tenant_id, w.due_at, w.id LIMIT 1) AS head
)
SELECT greatest(extract(epoch FROM min(due_at) - now())::float8, 0) FROM heads HAVING count(*) > 0
"""


def _one(columns: str, table: str, key: str, value: str, *, lock: str = "") -> str:
    """Look one row up by (tenant_id, key). A plain equality may be planned as a walk through all of a
    tenant's rows, or of another index, which costs as much while there are few; a range of one value that
    is to come in the key's order can only be read from the key's own index, and LATERAL only last."""
    return f"""(SELECT {columns} FROM {table} x WHERE x.tenant_id = $1::int8
        AND x.{key} BETWEEN {value} AND {value} ORDER BY x.{key} LIMIT 1{lock})"""


def _cause(stream: str) -> str:
    """Say why `d` (a delivery, with its subscriber `s`, if any) may not be mailed; '' when it may. Being
    deleted stops broadcast mail only."""
    return f"""coalesce({cause(stream=stream, tenant="$1::int8", address="d.address", status="s.status")},
        CASE WHEN {stream} = 'broadcast' AND d.subscriber_id IS NOT NULL AND s.id IS NULL THEN 'deleted' END,
        '')"""


_PERSON = _one("x.*", "subscribers", "id", "d.subscriber_id")


def _read(deliveries: str) -> str:
    return f"""
SELECT d.id, d.message_id, d.address, d.state, d.tries, coalesce(s.first_name, ''),
       coalesce(s.last_name, ''), coalesce(s.attributes, '{{}}'), {_cause("$5::text")}
  FROM {deliveries} LEFT JOIN LATERAL {_PERSON} s ON true
 WHERE d.tenant_id = $1::int8 AND d.id > $2::int8 AND d.attempt < $4::int8
   AND d.state IN ('queued', 'deferred')
 ORDER BY d.id LIMIT $6::int8
"""


READ_RANGE = _read("(SELECT * FROM deliveries WHERE id <= $3::int8) d")
READ_LIST = _read(
    f"unnest($3::int8[]) AS i(id) CROSS JOIN LATERAL {_one('x.*', 'deliveries', 'id', 'i.id')} d"
)

# What to move, and where each item's row is.
_MOVES = f"""moves AS MATERIALIZED (
    SELECT m.*, w.at FROM (
        SELECT * FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::text[], $6::text[], $7::float8[])
                      AS m(id, epoch, cursor, counts, state, delay)
         LIMIT cardinality($2::int8[])) m
     CROSS JOIN LATERAL {_one("x.ctid AS at", "work", "id", "m.id")} w
)"""

# What to record, and where each delivery's row is.
_OUTCOMES = f"""outcomes AS MATERIALIZED (
    SELECT o.*, d.at FROM (
        SELECT * FROM unnest($8::int8[], $9::int8[], $10::int8[], $11::text[], $12::int8[], $13::text[],
                             $14::int8[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
                             $20::text[])
                      AS o(id, item, message, state, attempt, before, tries, reason, status, provider, reply,
                           stage, transport)
         LIMIT cardinality($8::int8[])) o
     CROSS JOIN LATERAL {_one("x.ctid AS at", "deliveries", "id", "o.id")} d
)"""

# The usual outcome: the row is as it was read.
_APPLIED = """applied AS (
    UPDATE deliveries d SET state = o.state, attempt = o.attempt, tries = d.tries + o.tries,
           reason = o.reason, status = o.status, provider_id = o.provider, reply = o.reply,
           transport = o.transport, updated_at = now(),
           sent_at = CASE o.state WHEN 'accepted' THEN now() ELSE d.sent_at END
      FROM outcomes o
     WHERE d.ctid = o.at AND d.tenant_id = $1::int8 AND d.attempt < o.attempt
       AND d.state = o.before AND d.state IN ('queued', 'deferred')
    RETURNING o.id, o.item, o.message, o.before, o.state
)"""

_NOTED = """noted AS (
    INSERT INTO attempts (tenant_id, delivery_id, attempt, message_id, state, stage, status, reply,
                          transport, at)
    SELECT $1::int8, id, attempt, message, state, stage, status, reply, transport, now()
      FROM outcomes WHERE tries > 0 AND state <> 'accepted'
    ON CONFLICT (tenant_id, delivery_id, attempt) DO NOTHING
)"""

_BARRED = f"""barred AS MATERIALIZED (
    SELECT d.id, {_cause("$22::text")} AS cause
      FROM (SELECT id FROM unnest($21::int8[]) AS i(id) LIMIT cardinality($21::int8[])) i
     CROSS JOIN LATERAL {_one("x.id, x.address, x.subscriber_id", "deliveries", "id", "i.id")} d
      LEFT JOIN LATERAL {_PERSON} s ON true
)"""

# Rows are updated by TID, which is cheaper than any look-up through an index, so it is what the planner takes
# for one row: and an array counts as ten, of which LIMIT by an unknown number takes a tenth.
_MOVE = """UPDATE work w SET
        state = CASE w.state WHEN 'held' THEN 'held' ELSE m.state END,
        cursor = CASE w.state WHEN 'held' THEN w.cursor ELSE m.cursor END,
        counts = CASE w.state WHEN 'held' THEN w.counts ELSE m.counts::jsonb END,
        owner = CASE m.state WHEN 'leased' THEN w.owner ELSE '' END,
        lease_until = CASE m.state WHEN 'leased' THEN w.lease_until END,
        due_at = CASE WHEN m.state = 'ready' AND w.state = 'leased'
                      THEN now() + make_interval(secs => m.delay) ELSE w.due_at END
      FROM moves m
     WHERE w.tenant_id = $1::int8 AND w.epoch = m.epoch
       AND (w.state = 'leased' OR (w.state = 'held' AND m.state <> 'leased'))"""

# $1 tenant, $2-$7 moves, $8-$20 outcomes, $21 intents, $22 stream.
#
# A TID that was overtaken (a lease was renewed, evidence came) matches nothing: such items are `overtaken`,
# such deliveries in `rest`. Nearly always both are empty, and EXISTS keeps what follows from being run.
#
# `applied` is the usual case: the row is as it was read. `rest` are the others (evidence came first, the
# item was swept, the window is a repeat after a lost connection); `settled` those of them that still take
# the answer. An item's own counts say that each of its outcomes moved a row from `before` to `state`;
# `corrections` is the difference to what truly happened, and goes to the message's counters.
WINDOW = f"""
WITH {_MOVES}, moved_at_once AS (
    {_MOVE} AND w.ctid = m.at
    RETURNING w.id, w.state, w.subject_id
), overtaken AS MATERIALIZED (
    SELECT id FROM moves WHERE id NOT IN (SELECT id FROM moved_at_once)
), moved_later AS (
    {_MOVE} AND w.id = m.id AND m.id IN (SELECT id FROM overtaken) AND EXISTS (SELECT FROM overtaken)
    RETURNING w.id, w.state, w.subject_id
), moved AS MATERIALIZED (
    SELECT * FROM moved_at_once UNION ALL SELECT * FROM moved_later
), kept AS MATERIALIZED (
    SELECT id FROM moved WHERE state <> 'held'
), {_OUTCOMES}, {_APPLIED}, rest AS MATERIALIZED (
    SELECT o.*, d.state AS was, d.attempt AS had,
           CASE WHEN o.state = 'accepted' THEN d.state IN ('queued', 'deferred', 'uncertain')
                WHEN d.state = 'uncertain' THEN o.state <> 'uncertain' AND d.attempt <= o.attempt
                ELSE d.state IN ('queued', 'deferred') AND d.attempt < o.attempt END AS takes
      FROM outcomes o
     CROSS JOIN LATERAL {_one("x.state, x.attempt", "deliveries", "id", "o.id", lock=" FOR UPDATE")} d
     WHERE o.id NOT IN (SELECT id FROM applied)
), settled AS (
    UPDATE deliveries d SET state = o.state, attempt = greatest(d.attempt, o.attempt),
           tries = d.tries + o.tries, reason = o.reason, status = o.status, provider_id = o.provider,
           reply = o.reply, transport = o.transport, updated_at = now(),
           sent_at = CASE o.state WHEN 'accepted' THEN now() ELSE d.sent_at END
      FROM rest o WHERE d.tenant_id = $1::int8 AND d.id = o.id AND o.takes AND EXISTS (SELECT FROM rest)
    RETURNING d.id
), resolved AS (
    UPDATE deliveries d SET attempt = o.attempt
      FROM rest o WHERE d.tenant_id = $1::int8 AND d.id = o.id AND NOT o.takes AND o.had < o.attempt
       AND EXISTS (SELECT FROM rest)
), corrections AS (
    SELECT o.message, c.kind, c.n FROM applied o
     CROSS JOIN LATERAL (VALUES (o.before, -1), (o.state, 1)) AS c(kind, n)
     WHERE o.item NOT IN (SELECT id FROM kept)
    UNION ALL
    SELECT o.message, c.kind, c.n FROM rest o
     CROSS JOIN LATERAL (VALUES (o.was, -1), (o.state, 1)) AS c(kind, n)
     WHERE o.takes
    UNION ALL
    -- taken back, unless the row says that this very outcome was seen before
    SELECT o.message, c.kind, c.n FROM rest o
     CROSS JOIN LATERAL (VALUES (o.before, 1), (o.state, -1)) AS c(kind, n)
     WHERE o.had < o.attempt AND o.item IN (SELECT id FROM kept)
), counted AS (
    INSERT INTO message_counters (tenant_id, message_id, kind, n)
    SELECT $1::int8, message, kind, sum(n) FROM corrections
     GROUP BY message, kind HAVING sum(n) <> 0 ORDER BY message, kind
    ON CONFLICT (tenant_id, message_id, kind) DO UPDATE SET n = message_counters.n + excluded.n
), {_NOTED}, {_BARRED}{{follow_ups}}
SELECT id, NULL FROM kept UNION ALL SELECT id, cause FROM barred WHERE cause <> ''
"""

# $23-$28. A retry of a message that was paused meanwhile is born held: `stopped` waits for the pause's
# row lock and sees what it wrote.
_FOLLOW_UPS = f"""
, stopped AS MATERIALIZED (
    SELECT w.* FROM (SELECT DISTINCT item FROM outcomes WHERE item NOT IN (SELECT id FROM moved)) o
     CROSS JOIN LATERAL {_one("x.subject_id, x.state", "work", "id", "o.item", lock=" FOR SHARE")} w
), again AS MATERIALIZED (
    SELECT r.n, r.message, r.stream, r.attempt, r.delay, r.topic, array_agg(i.id ORDER BY i.id) AS ids
      FROM unnest($23::int8[], $24::text[], $25::text[], $26::int8[], $27::float8[], $28::text[])
           WITH ORDINALITY AS r(message, stream, ids, attempt, delay, topic, n)
     CROSS JOIN LATERAL unnest(r.ids::int8[]) AS i(id)
     WHERE EXISTS (SELECT FROM applied a WHERE a.id = i.id)
        OR EXISTS (SELECT FROM settled s WHERE s.id = i.id)
     GROUP BY 1, 2, 3, 4, 5, 6
), born AS (
    INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, ids, attempt, due_at, state, cursor,
                      counts)
    SELECT $1::int8, courierx_reserve('work', 1), stream, topic, message, ids[1], ids[cardinality(ids)],
           ids, attempt, now() + make_interval(secs => delay),
           CASE WHEN topic = 'send'
                 AND (EXISTS (SELECT FROM stopped s WHERE s.subject_id = message AND s.state = 'held')
                   OR EXISTS (SELECT FROM moved m WHERE m.subject_id = message AND m.state = 'held'))
                 THEN 'held' ELSE 'ready' END,
           ids[1] - 1, '{{}}'
      FROM again
)"""

WINDOW_WITH_FOLLOW_UPS = WINDOW.format(follow_ups=_FOLLOW_UPS)
WINDOW = WINDOW.format(follow_ups="")

# A window where nothing surprises: every item is ours still, every answer is of one of them, every row as it
# was read. All the rest of WINDOW costs 0.25 ms to set up and is then not run. Where something does surprise,
# the last line's cast fails, so nothing is written, and WINDOW does it with more care, with the same values.
SURPRISED = "not a usual window"
_MOVED = f"moved AS ({_MOVE} AND w.state = 'leased' AND w.ctid = m.at RETURNING w.id)"
_USUAL = f"""
WITH {_MOVES}, {_MOVED}, {_OUTCOMES}, {_APPLIED}, {{more}}{_BARRED}
SELECT id, cause FROM barred WHERE cause <> ''
UNION ALL
SELECT (found.moved || ' moved, ' || found.applied || ' applied: {SURPRISED}')::int8, ''
  FROM (SELECT (SELECT count(*) FROM moved) AS moved, (SELECT count(*) FROM applied) AS applied) AS found
 WHERE found.moved <> cardinality($2::int8[]) OR found.applied <> cardinality($8::int8[])
"""

# Every answer was taken here, and no item is held: so each follow-up is born, and ready.
_BORN = """born AS (
    INSERT INTO work (tenant_id, id, stream, topic, subject_id, lo, hi, ids, attempt, due_at, state, cursor,
                      counts)
    SELECT $1::int8, courierx_reserve('work', 1), stream, topic, message, ids[1], ids[cardinality(ids)],
           ids, attempt, now() + make_interval(secs => delay), 'ready', ids[1] - 1, '{}'
      FROM (SELECT message, stream, ids::int8[] AS ids, attempt, delay, topic
              FROM unnest($23::int8[], $24::text[], $25::text[], $26::int8[], $27::float8[], $28::text[])
                   AS r(message, stream, ids, attempt, delay, topic)) r
)"""

USUAL_WINDOW = _USUAL.format(more="")
USUAL_WINDOW_WITH_ATTEMPTS = _USUAL.format(more=f"{_NOTED}, ")
USUAL_WINDOW_WITH_FOLLOW_UPS = _USUAL.format(more=f"{_NOTED}, {_BORN}, ")

EXPIRED = """
SELECT tenant_id, id FROM work WHERE lease_until <= now() ORDER BY lease_until LIMIT $1::int8
"""

# One expired item, again under its lock. What it covers up to the cursor and has no answer is uncertain;
# what evidence or a person has moved meanwhile was counted where it moved.
SWEEP = """
WITH item AS MATERIALIZED (
    SELECT * FROM work WHERE tenant_id = $1::int8 AND id = $2::int8 AND lease_until <= now()
       FOR UPDATE SKIP LOCKED
), lost AS MATERIALIZED (
    SELECT d.id, d.state FROM item i JOIN deliveries d ON d.tenant_id = $1::int8
       AND d.id BETWEEN i.lo AND least(i.cursor, i.hi)
     WHERE i.topic = 'send' AND i.ids IS NULL AND d.attempt < i.attempt AND d.state IN ('queued', 'deferred')
       FOR UPDATE OF d
), lost_of_list AS MATERIALIZED (
    SELECT d.id, d.state FROM item i JOIN deliveries d ON d.tenant_id = $1::int8 AND d.id = ANY(i.ids)
     WHERE i.topic = 'send' AND d.id <= i.cursor AND d.attempt < i.attempt
       AND d.state IN ('queued', 'deferred')
       FOR UPDATE OF d
), gone AS MATERIALIZED (
    SELECT * FROM lost UNION ALL SELECT * FROM lost_of_list
), marked AS (
    UPDATE deliveries d SET state = 'uncertain', attempt = i.attempt, reason = 'lease_expired',
           updated_at = now()
      FROM item i CROSS JOIN gone WHERE d.tenant_id = $1::int8 AND d.id = gone.id
), sums AS (
    SELECT jsonb_object_agg(kind, n) AS counts FROM (
        SELECT kind, sum(n) AS n FROM (
            SELECT c.key AS kind, c.value::int8 AS n FROM item CROSS JOIN LATERAL jsonb_each_text(counts) c
            UNION ALL SELECT state, -1 FROM gone
            UNION ALL SELECT 'uncertain', 1 FROM gone) AS changes
        GROUP BY kind) AS kinds
), swept AS (
    UPDATE work w SET epoch = w.epoch + 1, owner = '', lease_until = NULL,
           counts = coalesce(sums.counts, '{}'),
           state = CASE
               WHEN w.topic = 'send' AND NOT EXISTS (
                   SELECT FROM deliveries d WHERE d.tenant_id = $1::int8 AND d.id > w.cursor
                      AND d.id <= w.hi AND d.id >= w.lo AND w.ids IS NULL
                      AND d.attempt < w.attempt AND d.state IN ('queued', 'deferred'))
                AND NOT EXISTS (
                   SELECT FROM deliveries d WHERE d.tenant_id = $1::int8 AND d.id > w.cursor
                      AND d.id = ANY(w.ids)
                      AND d.attempt < w.attempt AND d.state IN ('queued', 'deferred')) THEN 'done'
               WHEN w.state = 'held' THEN 'held' ELSE 'ready' END
      FROM item i CROSS JOIN sums WHERE w.tenant_id = $1::int8 AND w.id = i.id
    RETURNING w.id, w.tenant_id, w.topic, w.subject_id, w.stream
)
SELECT swept.*, (SELECT count(*) FROM gone) FROM swept
"""
