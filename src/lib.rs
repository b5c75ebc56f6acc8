//! leveret: RabbitMQ's model as a message bus inside one process, with no network.
//!
//! Make a [`Broker`], declare a [`Topology`], publish through a [`Publisher`] (or once, with [`Broker::publish`]),
//! receive with a [`Consumer`], settle each [`Delivery`]. Or speak AMQP's own shape: a [`Connection`] and its
//! [`Channel`]s. The rules are those of RabbitMQ 4.0.
//!
//! ```
//! use leveret::{Broker, Message, Queue, Topology};
//!
//! let broker = Broker::new();
//! broker.declare(&Topology::new().queue(Queue::new("greetings")))?;
//! broker.publish("", "greetings", Message::new("hello"))?;
//! let mut consumer = broker.consumer("greetings").open()?;
//! let delivery = consumer.blocking_recv().ok_or("the broker is open")?;
//! assert_eq!(&delivery.body()[..], b"hello");
//! delivery.ack();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The floors
//!
//! ```text
//!  6  testing/    feature `testing`: the test double, replay      5 4 3 2 1 0
//!  5  api/        what users touch                        may import  4 3 2 1 0
//!  4  engine/     locks, wakers, the one optional thread              3 2 1 0
//!  3  port/       what the engine needs from outside, or tells it     1 0
//!  2  queue/  │  route/  │  session/  │  trace/   pure machines       1 0, not each other
//!  1  message/    what travels                                        0
//!  0  base/       names, ids, moments, limits, locks                  nothing
//! ```
//!
//! A machine has no lock, no clock, no waker: it takes the moment as an argument and appends what it wants done to a
//! list of effects. The engine puts each queue behind its own lock and carries the effects out. `tests/tidy.rs` reads
//! the source and fails on an import that climbs a floor, and on time, threads or locks where they do not belong.
//!
//! # The walk of one message
//!
//! 1. `api/publisher/mod.rs`: a message (`message/message.rs`) is frozen into an envelope (`message/envelope.rs`) where it
//!    lies: names are written into it and it can be shared, and what it says of time and copies is read
//!    (`message/freeze.rs`). A warm key has its queues at hand (`api/publisher/route_cache.rs`), checked by one atomic
//!    load; a single queue with room takes the message at once, or many of them (`api/publisher/many.rs`).
//! 2. `engine/publish.rs`: a cold key takes the topology's read lock once and asks the graph (`route/graph/route.rs`),
//!    which walks exchanges, their matchers (`route/topic/walk.rs` and its siblings), exchange-to-exchange bindings and
//!    alternates, and gives each queue once.
//! 3. `engine/cell/mod.rs`: the queue is locked, and its machine decides (`queue/state.rs`, then `queue/classic/mod.rs` or
//!    `queue/quorum/mod.rs`): refuse, make room, wait, or hand out to whoever's turn it is (`queue/classic/consumers.rs`).
//! 4. Still locked, a delivery goes to its consumer (`engine/sink.rs`): into a plain consumer's ring
//!    (`engine/mailbox.rs`), or to `api/channel/inbox.rs`, where it gets its delivery tag from the ledger
//!    (`session/ledger.rs`). The next deadline is mirrored (`engine/deadlines.rs`). Unlocked, whoever waits is woken
//!    (`engine/waiter.rs`).
//! 5. `api/consumer/mod.rs`: `recv` gives it to the user as a delivery (`api/delivery.rs`), or many at once
//!    (`api/deliveries.rs`). What a plain consumer has of a classic queue is lent: it keeps the message for the queue.
//! 6. `engine/settle.rs`: the settlement goes back to the queue's machine, which frees the credit and hands out the next.
//!    An acknowledgement of what was lent is noted (`engine/acks.rs`), and carried out before it can matter to anybody.
//! 7. If it died instead, `engine/cascade.rs` carries it on: its death is recorded (`message/death.rs`), it is routed
//!    through the dead-letter exchange (step 2) and offered to each queue there (step 3), in a worklist, one lock at a
//!    time. If it died of time, `engine/drive.rs` made that time pass.
//! 8. Where somebody listens (`port/tap.rs`), each step was noted under its queue's lock and is told when no lock is held
//!    (`engine/facts.rs`).
//!
//! # The map
//!
//! **`base/`**, floor 0, ground: names, ids, moments, limits, reply codes, locks
//!
//! | file | what it is |
//! |---|---|
//! | `base/mod.rs` | Floor 0, the ground: names, ids, moments, limits, reply codes and locks |
//! | `base/credit.rs` | Credit that several queues share: what one channel or consumer may hold over all its queues |
//! | `base/explored.rs` | Locks, atomics and parking for tests that explore how threads may interleave: shuttle's or loom's, under the names of those that `sync.rs` has otherwise |
//! | `base/generated.rs` | Names that the broker makes: a prefix and a counted number, written as RabbitMQ writes its random ones |
//! | `base/id.rs` | Identities: newtypes over small integers, so that none is taken for another |
//! | `base/limits.rs` | Every bound of the crate, with its default and its reason, in one place |
//! | `base/moment.rs` | Moments: nanoseconds since the broker began |
//! | `base/name.rs` | Names: immutable, at most 255 bytes, checked once |
//! | `base/reply.rs` | Reply codes: how RabbitMQ names a failure on the wire |
//! | `base/sync.rs` | The locks of the crate: parking_lot's, with ranks that debug builds check |
//!
//! **`message/`**, floor 1, matter: what travels
//!
//! | file | what it is |
//! |---|---|
//! | `message/mod.rs` | Floor 1, the matter: what travels |
//! | `message/death.rs` | Deaths: why a message left a queue without being acknowledged, and the history it carries on |
//! | `message/envelope.rs` | The envelope: a message as the broker carries it, frozen at publish and shared between queues |
//! | `message/extent.rs` | How large a table is: refused beyond the limits of headers, counted in bytes |
//! | `message/freeze.rs` | Freezing: what publishing reads in the properties of a message, and what it writes plainly there |
//! | `message/message.rs` | The message as its publisher builds it, and the check that it is one the broker can carry |
//! | `message/nested.rs` | Copying, comparing, showing and dropping values that hold values, without recursion |
//! | `message/properties.rs` | The fourteen basic properties (AMQP 0-9-1 section 1.8.1, class basic) |
//! | `message/short_str.rs` | The texts of a message's properties: short ones lie in the value itself |
//! | `message/value.rs` | AMQP field values and tables: what headers and arguments are made of |
//! | `message/value_serde.rs` | Values and tables as serde data |
//!
//! **`route/`**, floor 2, machine: where a message goes
//!
//! | file | what it is |
//! |---|---|
//! | `route/mod.rs` | Floor 2, routing: which queues a message reaches |
//! | `route/bindings.rs` | All bindings: one slab, two linked lists through it, one index over it; and bunches, the bindings with one key |
//! | `route/bunch.rs` | Bunches: all bindings of one exchange that have the same key or pattern |
//! | `route/compare.rs` | How values are compared: strictly, to tell bindings apart, and as a headers exchange does |
//! | `route/direct.rs` | Direct: a key leads to the bindings with that very key |
//! | `route/explain/mod.rs` | Explaining a route: the walk of a message through the graph, with what each binding on the way says to it |
//! | `route/explain/likeness.rs` | Likeness: how near two texts are that differ, so that a slip is told as one |
//! | `route/explain/miss.rs` | Misses: why a binding does not match a message, as values and in words |
//! | `route/explain/near.rs` | How near a binding comes that does not match: so that of many misses those are told that may have been meant |
//! | `route/explain/step.rs` | What is told of each exchange and binding on the way |
//! | `route/explain/text.rs` | Names and values within a sentence: quoted, on one line, and not longer than can be read |
//! | `route/explain/words.rs` | Words of a pattern beside words of a key: where they fit, and where they do not, with the fewest differences |
//! | `route/fanout.rs` | Fanout: every binding matches, whatever the key |
//! | `route/graph/mod.rs` | The graph: all exchanges, the names of all queues, and all bindings between them |
//! | `route/graph/change.rs` | Changes of the graph: exchanges and queues come and go, bindings are made and ended |
//! | `route/graph/generation.rs` | Generations: how a publisher learns that a route it remembers may be stale |
//! | `route/graph/restart.rs` | What a restart of the broker leaves of the graph (RabbitMQ: "Queues", "Exchanges", durability) |
//! | `route/graph/route.rs` | Routing: from an exchange and a message's keys and headers to queues |
//! | `route/hash.rs` | Hashing of the router's tables |
//! | `route/headers.rs` | Headers: a message's headers are compared with each binding's arguments |
//! | `route/hits.rs` | Hits: the bindings that share one key, pattern or exchange, in the order in which they were made |
//! | `route/key.rs` | Words of routing keys and patterns |
//! | `route/matcher.rs` | The matcher of an exchange: one of the four kinds |
//! | `route/scratch.rs` | Scratch: the buffers of a walk, reused, so that routing allocates nothing and changes nothing in the graph |
//! | `route/slots.rs` | Slots: values under small numbers that are used again, in segments, so that no call ever moves more than one of them |
//! | `route/spec.rs` | The words of routing: kinds of exchanges, what an exchange is declared as, bindings and their ends |
//! | `route/table.rs` | A hash table that grows and shrinks a little at a time |
//! | `route/text.rs` | Text of keys and patterns, packed: most are short and lie where they are held, one memory access less away |
//! | `route/topic/mod.rs` | Topic: patterns of words, `*` (one word) and `#` (any number of words) |
//! | `route/topic/alone.rs` | One topic exchange by itself, without a graph: for tests, fuzzers and benches of patterns |
//! | `route/topic/trie.rs` | The trie of the patterns that have wildcards |
//! | `route/topic/walk.rs` | The walk of a key through the trie |
//! | `route/topic/words.rs` | Words as numbers, so that the trie compares and hashes eight bytes instead of a text |
//!
//! **`queue/`**, floor 2, machine: the queue
//!
//! | file | what it is |
//! |---|---|
//! | `queue/mod.rs` | Floor 2: the queue, a pure machine |
//! | `queue/arguments.rs` | The arguments of a queue: which there are, which kind of queue takes which, one validator for each |
//! | `queue/classic/mod.rs` | The classic queue |
//! | `queue/classic/back.rs` | The way back: how what is out of a classic queue is settled |
//! | `queue/classic/consumers.rs` | Consumers of a classic queue: who may take the next message |
//! | `queue/classic/forecast.rs` | What a classic queue would do with a message: the way of `offer`, looked at only |
//! | `queue/classic/ready.rs` | Ready messages of a classic queue: by priority, then by their place in the queue |
//! | `queue/classic/restart.rs` | What a restart of the broker does to a classic queue (RabbitMQ: "Queues", durability; "Publishers", persistence) |
//! | `queue/effect.rs` | What goes into a queue's verbs and what comes out: identities, outcomes and effects |
//! | `queue/entry.rs` | A message in a queue, what is out, and what is done with |
//! | `queue/forecast.rs` | Forecasts: what a queue would do with a message, asked without giving it one |
//! | `queue/policy.rs` | Policies: settings that an operator lays over all queues or exchanges whose name fits a pattern |
//! | `queue/policy_keys.rs` | The keys of RabbitMQ 4.0's policies: what each may be set to, and which queues lack it |
//! | `queue/quorum/mod.rs` | The quorum queue: RabbitMQ's replicated queue as seen by its clients, with one replica |
//! | `queue/quorum/consumers.rs` | Consumers of a quorum queue: who may take the next message |
//! | `queue/quorum/dying.rs` | Dead letters that a queue keeps until somebody has taken them (RabbitMQ: "at-least-once dead lettering") |
//! | `queue/quorum/forecast.rs` | What a quorum queue would do with a message: the way of `offer`, looked at only |
//! | `queue/quorum/leaving.rs` | How messages leave a quorum queue other than to a consumer: over its length, at the end of their time, by death |
//! | `queue/quorum/publishers.rs` | Publishers of a quorum queue with `reject-publish`: who is refused |
//! | `queue/quorum/ready.rs` | Ready messages of a quorum queue: what came back first, then two levels of priority |
//! | `queue/quorum/restart.rs` | What a restart of the broker does to a quorum queue (RabbitMQ: "Quorum Queues") |
//! | `queue/refusal.rs` | Why a queue was not declared, in RabbitMQ's words |
//! | `queue/settings.rs` | What is in force for a queue: its arguments and, over them, its policy |
//! | `queue/spec.rs` | What a queue is declared as, and what follows from it |
//! | `queue/state.rs` | The queue as the engine sees it: one machine, of either kind |
//! | `queue/totals.rs` | Counts: what a queue holds, and what became of everything it was given |
//! | `queue/turns.rs` | Turns: who is served next |
//!
//! **`session/`**, floor 2, machine: what a channel remembers
//!
//! | file | what it is |
//! |---|---|
//! | `session/mod.rs` | Floor 2, the session: what AMQP calls a channel, as pure machines that know no queue and take no lock |
//! | `session/confirms.rs` | Confirms: the numbers of a channel's publishes, and when each may be answered |
//! | `session/groups.rs` | Groups: how the deliveries of one settlement are handed to their queues |
//! | `session/ledger.rs` | The ledger: delivery tags of one channel, and what each unsettled one stands for |
//! | `session/state.rs` | The state of a channel beside its ledger: mode, prefetch, last declared queue |
//! | `session/tx.rs` | The transaction: publishes and settlements of a channel, held until commit |
//!
//! **`trace/`**, floor 2, feature `serde`, machine: what was done, as data
//!
//! | file | what it is |
//! |---|---|
//! | `trace/mod.rs` | Floor 2, the trace: a session as data, in the format of the conformance traces |
//! | `trace/document.rs` | The trace as a document: its steps with a name, and what could not be said in it |
//! | `trace/form.rs` | The form of what a log takes down: whether it can be read again, and how much it weighs |
//! | `trace/log.rs` | The log: takes down what is done and what follows, step by step |
//! | `trace/names.rs` | Placeholders: `$q1`, `$t1`, `$r1` and so on stand for names that the broker made |
//! | `trace/order.rs` | The order in which a trace holds events |
//! | `trace/proxy.rs` | Proxies: the channels that stand in a trace for handles which are none |
//! | `trace/schema.rs` | What the format knows: operations with their parameters, events with their fields, and the kinds of both |
//! | `trace/step.rs` | Steps and events: what is done, and what is seen of it |
//! | `trace/value.rs` | Values of the traces: JSON to tables, properties and bodies, and back |
//!
//! **`port/`**, floor 3, ports: what the engine needs from outside, or tells it
//!
//! | file | what it is |
//! |---|---|
//! | `port/mod.rs` | Floor 3, the ports: what the engine needs from outside, or tells it, as traits |
//! | `port/clock.rs` | Clocks: the one place where time comes from |
//! | `port/injected.rs` | Faults that a test asked for, as facts name them |
//! | `port/tap.rs` | Taps: whoever listens to what a broker does |
//! | `port/tap_text.rs` | Facts in words: one line each |
//! | `port/tap_words.rs` | The reasons that facts give, and how each is said |
//! | `port/tokio_clock.rs` | Tokio's clock, for hosts that live in its runtime and for tests that pause it |
//!
//! **`engine/`**, floor 4, engine: locks, wakers, the one optional thread
//!
//! | file | what it is |
//! |---|---|
//! | `engine/mod.rs` | Floor 4, the engine: the only place with locks, wakers and (where asked for) a thread |
//! | `engine/acks.rs` | Acknowledgements that wait to be carried out |
//! | `engine/alarms.rs` | Alarms: whoever waits for a moment, beside waiting for something else |
//! | `engine/cascade.rs` | Deaths carried from queue to queue |
//! | `engine/cell/mod.rs` | The cell: a queue machine behind its lock, and the one way to use it |
//! | `engine/cell/inner.rs` | What a cell's lock guards, and what follows a verb of the machine under it |
//! | `engine/cell/tested.rs` | What only tests do to a cell: restart it, kill its consumers, hold deliveries back, look at who receives |
//! | `engine/deadlines.rs` | Deadlines: for each queue the moment at which time next does something to it, in one dense table |
//! | `engine/drive.rs` | Driving time: whoever makes deadlines fire |
//! | `engine/error.rs` | Why the topology was not changed, in RabbitMQ's words |
//! | `engine/facts.rs` | Facts: how what happens comes to a tap |
//! | `engine/explain.rs` | Explaining: where a message would go and what would become of it there, without giving it to anybody |
//! | `engine/fits.rs` | Whether AMQP, and this broker, can carry a name or a table of arguments at all |
//! | `engine/listening.rs` | Listening: the ear of one queue |
//! | `engine/faults.rs` | Faults, for tests: where the engine asks whether something is to go wrong, and what is held back for later |
//! | `engine/faulty.rs` | What the engine does where a test asked for a fault: publishes that are refused, settlements that are lost, consumers that die, and what was held back and is due |
//! | `engine/injecting.rs` | Faults of one queue, for tests: what is to happen to its deliveries, and those that it holds back |
//! | `engine/mailbox.rs` | The mailbox: what a queue put down for a plain consumer that the consumer has not taken yet |
//! | `engine/motion.rs` | What receivers have before them, for a test that waits until they come to rest |
//! | `engine/policies.rs` | Policies in force: which one is for a name, and what happens when one comes or goes |
//! | `engine/proxy.rs` | A plain consumer of a recorded broker, and the channel that stands for it in the log |
//! | `engine/publish.rs` | Publishing: from an exchange and a key to the queues, and into them |
//! | `engine/quiet.rs` | Coming to rest: nothing new goes in or out, and somebody waits until nothing is out any more |
//! | `engine/recording.rs` | Recording: what clients do to this broker is written to a log, one thing at a time |
//! | `engine/recording_off.rs` | Recording, in a build without the feature `serde`: there is none |
//! | `engine/remove.rs` | How a queue goes: deleted, auto-deleted with its last consumer, or at the end of its time without use |
//! | `engine/replies.rs` | Direct replies: messages that go to a waiting session without a queue (RabbitMQ: "Direct Reply-to") |
//! | `engine/request.rs` | What is asked of the topology: the arguments of AMQP's exchange and queue methods as values |
//! | `engine/restart.rs` | A restart of the broker, or the death of a consumer's program, for tests: what a RabbitMQ node would have lost is lost, what it would have kept is there |
//! | `engine/settle.rs` | The way back, and consumers coming and going: settle, get, attach, detach, resume, close |
//! | `engine/sink.rs` | Sinks: where a queue's deliveries go, each consumer's own |
//! | `engine/topology_bindings.rs` | Bindings: made and undone, to queues and to exchanges |
//! | `engine/topology_exchanges.rs` | Exchanges: declared, looked up, deleted |
//! | `engine/topology_queues.rs` | Queues: declared, looked up, purged, deleted |
//! | `engine/topology_tests.rs` | The verbs on the topology, as a channel calls them: order of checks, texts, and what goes with what |
//! | `engine/wait.rs` | Waiting, for threads and for tasks, on the broker's clock |
//! | `engine/waiter.rs` | Waiters: a blocked thread or a pending task, and the place where one or many of them wait |
//! | `engine/work.rs` | Work: what acts on queues leave to do when their locks are free |
//!
//! **`api/`**, floor 5, API: what users touch
//!
//! | file | what it is |
//! |---|---|
//! | `api/mod.rs` | Floor 5, the API: what users touch |
//! | `api/broker.rs` | The broker: the value that everything begins with |
//! | `api/builder.rs` | How a broker is made: its clock, its limits, and who drives time |
//! | `api/channel/mod.rs` | The channel: AMQP's methods, in its order of checks, with its reply codes and texts |
//! | `api/channel/arguments.rs` | The arguments of the basic methods, as values |
//! | `api/channel/consume.rs` | Consuming: qos, consume, cancel and get |
//! | `api/channel/ending.rs` | The end of a channel, in its two steps: the inbox ends, then the queues have back what was out |
//! | `api/channel/error.rs` | What goes wrong on a channel: the close of a channel or connection, and what a publish or a poll can answer beside |
//! | `api/channel/event.rs` | What a channel receives: deliveries, returns, confirms, cancels, and its end, in one order |
//! | `api/channel/faulty.rs` | What goes wrong on a channel, for tests: publishes refused, confirms wrong, late or never; a program that dies when it settles |
//! | `api/channel/inbox.rs` | The inbox: what came to a channel and was not received yet, its delivery tags, and its consumers |
//! | `api/channel/publish.rs` | Publishing: checks in RabbitMQ's order, then the route, then the queues; or all but the last, in a transaction |
//! | `api/channel/receive.rs` | Receiving: the one ordered poll of a channel, for threads and for tasks |
//! | `api/channel/reply.rs` | Direct reply-to: a consumer of the pseudo queue `amq.rabbitmq.reply-to`, and the address that the broker makes for it (RabbitMQ: "Direct Reply-to") |
//! | `api/channel/settle.rs` | Settling: ack, nack, reject and recover, by delivery tags |
//! | `api/channel/told.rs` | What a recorded channel tells: its operations as steps, and what comes to it as events |
//! | `api/channel/topology.rs` | Exchanges, queues and bindings of a channel: each method is the engine's own, told as AMQP tells its faults |
//! | `api/channel/transact.rs` | Confirm mode and transactions |
//! | `api/connection.rs` | Connections: what owns channels and exclusive queues, and ends with all of them |
//! | `api/consumer/mod.rs` | Consumers: deliveries of one queue, for a thread or for a task |
//! | `api/consumer/builder.rs` | How a consumer is asked for |
//! | `api/consumer/stream.rs` | A consumer as an iterator and as a stream |
//! | `api/declare.rs` | Declaring a whole topology: checked first, then made, under one lock |
//! | `api/declare_check.rs` | What is wrong with a topology, all of it, before anything is declared |
//! | `api/definitions.rs` | RabbitMQ's definitions files: what its management plugin exports and imports |
//! | `api/definitions_error.rs` | Why a definitions file was not read |
//! | `api/definitions_json.rs` | A JSON tree that knows where it stands, so that every error can say so; and what arguments are in JSON |
//! | `api/definitions_read.rs` | Reading a definitions file: one pass for each section, in the order in which RabbitMQ imports them |
//! | `api/definitions_write.rs` | Writing a definitions file: the export of one virtual host, as RabbitMQ 4.0 has it |
//! | `api/deliveries.rs` | Deliveries received together, to be settled together or one by one |
//! | `api/delivery.rs` | A delivery: a message that is out, and the one who has to settle it |
//! | `api/drive.rs` | Driving a broker's time from a task |
//! | `api/exchange.rs` | An exchange as data |
//! | `api/lint/mod.rs` | Linting: what in a topology will go wrong, though RabbitMQ would take it; and what it would not take |
//! | `api/lint/cycles.rs` | Cycles: dead letters that come round to a queue in which they died before |
//! | `api/lint/dead_letters.rs` | Dead letters that do not arrive, or arrive where they came from |
//! | `api/lint/finding.rs` | Findings: one thing that is wrong, where, and what to do; and the report that holds them |
//! | `api/lint/graves.rs` | Queues in which the dead or what went astray lies: nobody works on them, so nothing empties them in time |
//! | `api/lint/keys.rs` | Keys of bindings that do not do what they look like |
//! | `api/lint/lasting.rs` | What does not last as long as it looks: in a restart, or when its last user goes |
//! | `api/lint/limits.rs` | What a full queue does: words without effect, and words that promise more than they do |
//! | `api/lint/policies.rs` | Policies that are laid over something and have no effect on it |
//! | `api/lint/refused.rs` | What a broker would refuse: asked of the very check that comes before a declaration |
//! | `api/lint/routing.rs` | Exchanges: messages that find no way on, and queues and exchanges that nothing leads to |
//! | `api/lint/work.rs` | Queues that somebody works on: what happens to messages that are rejected, wait too long, or come back too often |
//! | `api/explain/mod.rs` | Explaining: where a message would go, and why, before it is published |
//! | `api/explain/queue.rs` | What a queue would do with a message, and where its dead letters would go |
//! | `api/explain/verdict.rs` | The verdict: what comes of a message, in one sentence |
//! | `api/one_off.rs` | What a broker does once: publish, get, declare, bind, delete; and the handles that it gives |
//! | `api/place.rs` | Places: what a finding or a difference is about, by name |
//! | `api/publisher/mod.rs` | Publishers: handles to one exchange that remember where their keys lead |
//! | `api/publisher/error.rs` | Why a message was not published, with the message |
//! | `api/publisher/faulty.rs` | Publishes that go wrong, for tests: refused, or taken and answered wrongly, late or never |
//! | `api/publisher/many.rs` | Sending many messages under one key: one route, and the queue asked once for many of them |
//! | `api/publisher/route_cache.rs` | The route cache: what a publisher remembers of where its keys lead |
//! | `api/publisher/send.rs` | Sending with back-pressure: wait until every queue has room, then give it to all |
//! | `api/queue.rs` | A queue as data |
//! | `api/queue_handle.rs` | A handle to one queue: look, purge, delete |
//! | `api/recorded/mod.rs` | The plain API as a log has it |
//! | `api/recorded/calls.rs` | What a broker does once, as a log has it |
//! | `api/recorded/consuming.rs` | Plain consumers and their deliveries, as a log has them |
//! | `api/recorded/publishing.rs` | Publishes of the plain API, as a log has them: on a channel in confirm mode |
//! | `api/recorded/requests.rs` | Requests as a log writes them: their parameters by the names that AMQP has |
//! | `api/recorder/mod.rs` | The recorder: a tap that remembers where every message went, within a bound |
//! | `api/recorder/compare.rs` | The comparison: what was counted from facts against what the queues and the engine count themselves |
//! | `api/recorder/draw.rs` | Drawings: a history as a Mermaid sequence diagram |
//! | `api/recorder/fate.rs` | Fates: what became of one message in one queue, or without one |
//! | `api/recorder/form.rs` | Journeys, histories and fates as serde data: read by programs, in the words that people see |
//! | `api/recorder/history.rs` | Histories: what became of some messages, as text, as data and as a drawing |
//! | `api/recorder/journey.rs` | Journeys: the way of one message, from its publish (or from the death it is the letter of) through its queues |
//! | `api/recorder/ledger.rs` | The ledger: where every message went, in numbers that must add up |
//! | `api/recorder/store.rs` | The store: the journeys that are remembered, and which are forgotten first |
//! | `api/recorder/table.rs` | A table as text: the first column to the left, the others to the right |
//! | `api/recorder/tally.rs` | The tally: facts counted, for each queue and for the broker |
//! | `api/recorder/words.rs` | Losses in words: what a person wants to hear who looks for a message |
//! | `api/shutdown.rs` | Shutting down in an orderly way: stop, wait for what is out, close |
//! | `api/source.rs` | Where deliveries come from: a queue and its broker, shared by a consumer and its deliveries |
//! | `api/stats.rs` | Statistics: what is where, and where everything went |
//! | `api/topology.rs` | A topology as data: what exchanges, queues, bindings and policies a program wants |
//! | `api/topology_diff.rs` | What declaring a topology would do, before it is done |
//! | `api/topology_draw/mod.rs` | Drawing a topology: as a Mermaid flowchart, or for Graphviz |
//! | `api/topology_draw/dot.rs` | Writing a picture in Graphviz's language |
//! | `api/topology_draw/mermaid.rs` | Writing a picture as a Mermaid flowchart |
//! | `api/topology_draw/picture.rs` | The picture: nodes and arrows, in an order that follows from the topology alone |
//! | `api/topology_view/mod.rs` | A topology as it would be in force: policies applied, names looked up, bindings seen from both ends |
//! | `api/topology_view/keys.rs` | Keys: with which ones the messages of a queue can come, as patterns of a topic exchange |
//! | `api/topology_view/letters.rs` | Letters: where the dead of each queue can go |
//! | `api/topology_view/roles.rs` | Roles: what each queue is for |
//! | `api/words.rs` | Serde helpers: types that are RabbitMQ's words, and a flag that is set unless said |
//!
//! **`testing/`**, floor 6, feature `testing`: the test double
//!
//! | file | what |
//! | --- | --- |
//! | `testing/mod.rs` | Floor 6, feature `testing`: a broker for tests, with RabbitMQ's rules and a clock that the test moves |
//! | `testing/activity.rs` | Activities: work that no queue knows of, such as what a handler does after it has acknowledged |
//! | `testing/ending.rs` | What a test does to a broker and its clients: restart, kill, disconnect |
//! | `testing/explore/mod.rs` | Exploring: one test under many orders of events and many faults |
//! | `testing/explore/actors.rs` | Whoever acts in an exploration: workers, which are functions, and programs, which are futures |
//! | `testing/explore/choices.rs` | Choices: the numbers that decide a run |
//! | `testing/explore/control.rs` | The control: what is chosen while the broker works, and what happened so far |
//! | `testing/explore/exploration.rs` | The exploration as its test has it: a broker, and those who act on it |
//! | `testing/explore/explorer.rs` | The explorer: one run after the other, and what comes of the first that fails |
//! | `testing/explore/failure.rs` | What an exploration found |
//! | `testing/explore/panics.rs` | Panics of a test that is run many times: kept, and not printed |
//! | `testing/explore/run.rs` | Running: one acts at a time, until nobody can |
//! | `testing/explore/shrink.rs` | Shrinking: fewer choices that fail as well |
//! | `testing/faults/mod.rs` | Faults on demand: what a broker, a network or a consumer's program does wrong once in a while, at the moment that a test names |
//! | `testing/faults/mix.rs` | Faults by chance, the same for the same seed |
//! | `testing/faults/pattern.rs` | Patterns of routing keys, as topic exchanges have them: `*` is one word, `#` any number of words |
//! | `testing/faults/report.rs` | What the rules did |
//! | `testing/faults/rules.rs` | The rules that are in force, and how they answer the engine |
//! | `testing/faults/select.rs` | A rule in the making: what it is about, when, and what happens |
//! | `testing/known.rs` | The names that a broker's queues and exchanges have or once had, so that an assertion about a name that never was one is told as the slip that it is |
//! | `testing/not_settled.rs` | Why a wait did not end: everything that was outstanding |
//! | `testing/selected.rs` | Selections: the messages that an assertion is about, each with the moment that makes it one of them |
//! | `testing/selections.rs` | What can be asserted about: the messages of a test, by what happened to them |
//! | `testing/settle.rs` | Waiting until a broker has come to rest: counted, not guessed |
//! | `testing/shutdown.rs` | Shutting a test broker down: as any broker, but that a drain which nothing can end is not waited for in silence |
//! | `testing/story.rs` | The story that a failed assertion tells: what was expected, what there was, what nearly was, and why not |
//! | `testing/test_broker.rs` | The test broker: a broker, the clock that it goes by, and a watch over what is out |
//! | `testing/time.rs` | Time, moved by the test: from deadline to deadline, with everything that follows from one before the next |
//! | `testing/watch.rs` | The watch: a tap that knows what is out, and wakes whoever waits for that to change |
//! | `testing/trace/mod.rs` | Traces replayed: a session that was recorded, done again and compared |
//! | `testing/trace/adapter.rs` | Where the traces meet the API: one operation in, its reply or its failure out |
//! | `testing/trace/compare.rs` | Comparing what was seen with what was expected |
//! | `testing/trace/names.rs` | Placeholders bound: the first event that shows one says which name it stands for |
//! | `testing/trace/replay.rs` | The replay of a trace, and what it says |
//! | `testing/trace/run.rs` | The runner: replays a scenario on a fresh broker with a clock that only `clock.advance` moves |

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod base;
mod message;
mod port;
mod queue;
mod route;
mod session;
#[cfg(feature = "serde")]
mod trace;

mod api;
mod engine;
#[cfg(feature = "testing")]
pub mod testing;

pub use api::{
    Acknowledge, Channel, ChannelDelivery, ChannelEvent, ChannelPublishError, Close, Connection, Consume, GetOk,
    NotPublished, Publish, Qos, RecvChannelEvent, Requeue, Returned, Scope, Tags, TryRecvError,
};
pub use api::{Binding, Broker, Builder, DeclareError, Exchange, Explanation, Item, Problem, Queue, Report, Topology};
pub use api::{
    BrokerStats, ConsumeError, Consumer, ConsumerBuilder, DeadLetterStats, Deliveries, Delivery, Iter, Left, Peeked,
    PublishError, PublishErrorKind, PublishStats, Publisher, QueueHandle, QueueStats, Routed, RoutedMany,
    SendManyError, Settled, Shutdown, ShutdownFuture, ShutdownReport,
};
#[cfg(feature = "serde")]
pub use api::{Definitions, DefinitionsError, Notice};
pub use api::{Difference, FieldDifference, Lint, LintReport, Place, Severity, TopologyDiff};
pub use api::{
    DropCount, Fate, Forgotten, History, Imbalance, Journey, Ledger, Origin, PublishLedger, QueueLedger, Recorder,
    RecorderBound,
};
pub use base::{Limits, Moment, Name, NameTooLong, ReplyCode};
#[cfg(feature = "serde")]
pub use engine::TraceLog;
pub use engine::{
    ExchangeBinding, ExchangeDeclare, ExchangeDelete, QueueBinding, QueueDeclare, QueueDeclared, QueueDelete,
    TopologyError,
};
pub use message::{
    Death, Deaths, DeliveryMode, Envelope, InvalidMessage, List, Message, Properties, Reason, ShortStr, Table, Value,
};
#[cfg(feature = "tokio")]
pub use port::TokioClock;
pub use port::{
    Cause, Clock, Dropping, Fact, Injected, Leaving, ManualClock, MessageRef, Refusing, SystemClock, Tap, What,
};
pub use queue::{
    ApplyTo, Inequivalent, InvalidPolicy, InvalidQueue, Overflow, Policy, PolicyDefinition, QueueKind, Refusal,
    Strategy, Totals, UnknownWord,
};
pub use route::{ExchangeKind, Miss, UnknownKind};

/// The parts of an [`Explanation`]: what [`Broker::explain`] tells of exchanges, bindings and queues.
pub mod explain {
    pub use crate::api::{Cause, DeadLetterEnd, Expiry, ExplainedDeadLetter, ExplainedQueue, MadeRoom, Verdict};
    pub use crate::queue::{Fate, Length};
    pub use crate::route::{
        ExplainedAlternate, ExplainedBinding, ExplainedExchange, Fit, HeaderMiss, Leads, Likeness, MatchMode, Matching,
        Reached, Took, WordMiss,
    };
}
#[cfg(feature = "serde")]
pub use trace::{Omitted, Trace, TraceError};

#[cfg(leveret_loom)]
#[doc(hidden)]
pub use engine::inside;

/// The pure machines, for the model tests, fuzz targets and benches of this repository. Exempt from semantic versioning.
#[doc(hidden)]
pub mod internals {
    pub use crate::base::Credit;
    pub use crate::base::{ExchangeId, QueueId, SessionId};
    pub use crate::queue::effect;
    pub use crate::queue::{Counts, DeadLetter, QueueFlags, QueueSpec, QueueState, Settings, Totals};
    pub use crate::route::{
        BindError, Binding, Bound, Destination, ExchangeKind, ExchangeSpec, Graph, Hit, Predicate, Scratch, Targets,
        Topic, Unbound, UnknownKind, Walk,
    };
    pub use crate::session::{
        Answer, Committed, Confirms, Groups, Ledger, ModeError, Run, SessionState, Transaction, UnknownTag,
    };

    pub use crate::message::SharedEnvelope;
    use crate::message::{Envelope, InvalidMessage, Message, Reason};
    use crate::{Limits, Name};

    /// A message frozen as by a publish.
    ///
    /// # Errors
    ///
    /// What the broker would refuse it for.
    pub fn envelope(
        exchange: Name,
        routing_key: Name,
        message: Message,
        limits: &Limits,
    ) -> Result<Envelope, InvalidMessage> {
        let frozen = Envelope::freeze(&exchange, &routing_key, message, limits).map_err(|refused| refused.0)?;
        Ok(SharedEnvelope::unwrap_or_clone(frozen))
    }

    /// The envelope that goes on through a dead-letter exchange after one died in `queue`, `seconds` since 1970.
    #[must_use]
    pub fn died(
        envelope: &Envelope,
        queue: &Name,
        reason: Reason,
        seconds: u64,
        dead_letter: &DeadLetter,
        limits: &Limits,
    ) -> Envelope {
        let (exchange, routing_key) = (dead_letter.exchange.clone(), dead_letter.routing_key.clone());
        envelope.died(queue, reason, seconds, exchange, routing_key, limits)
    }

    /// How many queues a key's route has that a publisher remembers; `None` where it does not, or something changed.
    #[must_use]
    pub fn known_route(publisher: &crate::Publisher, key: &str) -> Option<usize> {
        publisher.known_route(key)
    }

    /// The keys by which an envelope routes.
    #[must_use]
    pub fn keys(envelope: &Envelope) -> Vec<Name> {
        envelope.keys().cloned().collect()
    }
}

/// The README's program compiles and runs.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../README.md")]
struct ReadmeDoctests;
