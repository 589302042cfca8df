/** What Writ promises. A test that shows one says `verifies('<id>')`; `npm run verify` fails on a promise without one. */
export interface Requirement {
  readonly id: string;
  /** A sentence that goes on after "a test shows that". */
  readonly promise: string;
}

export const requirements: readonly Requirement[] = [
  { id: 'ledger.commit', promise: 'what is decided is committed as CloudEvents that say who, why and from where' },
  {
    id: 'ledger.once',
    promise: 'a command sent again gets its old answer and has no second effect, also after a restart',
  },
  {
    id: 'ledger.group_commit',
    promise: 'what comes while a publish is under way shares the next commit, in order, each with its own answer',
  },
  {
    id: 'ledger.lanes',
    promise: 'what is started together is committed together, and over time every partition has its share',
  },
  { id: 'ledger.too_large', promise: 'a change larger than a commit is refused clearly, and the owner lives on' },
  {
    id: 'ledger.fence',
    promise: 'of a deposed owner, paused past its lease and continued, not one commit is accepted',
  },
  {
    id: 'ledger.unknown_outcome',
    promise: 'a lost acknowledgement is found in the log, and the effect is there once',
  },
  {
    id: 'ledger.killed_owner',
    promise: 'an owner killed between publish and acknowledgement leaves the effect there once',
  },
  { id: 'ledger.killed_broker', promise: 'a broker that is killed and restarted loses nothing that was answered' },
  {
    id: 'ledger.broker_gone',
    promise: 'a client leaves a broker that is paused, and does not fall over one that dies while it closes',
  },
  {
    id: 'ledger.cluster',
    promise:
      'of three brokers any one may be killed, paused or cut off: nothing is lost or twice, and writes go on meanwhile',
  },
  {
    id: 'ledger.disk_full',
    promise:
      'a broker without room refuses changes with a code, loses none that was acknowledged, and goes on with room',
  },
  {
    id: 'ledger.clock_jump',
    promise:
      'a clock that is set an hour forward or back changes no lease, no time of an event and no memory of commands',
  },
  { id: 'ledger.delivered_twice', promise: 'commits delivered twice to projections and reactors give the same rows' },
  { id: 'ledger.replay', promise: 'replaying a partition from its start equals the live state' },
  {
    id: 'ledger.rebuild',
    promise: 'a commit that the broker will not store drops the state, and the partition is rebuilt from the log',
  },
  { id: 'ledger.drain', promise: 'a draining owner answers what it has taken' },

  {
    id: 'scheduler.abort_race',
    promise: 'what a function gives up in the moment in which it comes true settles once, by what the ledger had first',
  },
  {
    id: 'scheduler.fair_turns',
    promise: 'a call with 10,000 starts is done in parts, and tenants take turns with theirs',
  },
  {
    id: 'run.no_worker_warning',
    promise: 'who starts a run that nobody serves is told so at once, and is not refused',
  },
  {
    id: 'run.joined',
    promise:
      'a run that waits for several children goes on once, and a cancel of it reaches all below it and says so in the receipt',
  },
  {
    id: 'sdk.on_parent_end',
    promise:
      'what becomes of a child whose parent ends first is what its start says: it goes on, is cancelled, or is awaited',
  },
  {
    id: 'run.unknown_message',
    promise: 'a message of a name that the code of all workers here does not take is refused, and says which it takes',
  },
  {
    id: 'run.start_and_send',
    promise:
      'a message that goes with a start is in the same commit, once under its key, also where the run is there already',
  },
  {
    id: 'run.update_seen',
    promise:
      'an update is recorded only if nothing came to the run since its code accepted it: the handler begins in that very state',
  },
  {
    id: 'run.update_replay',
    promise: 'code that does not handle an update that the record says was accepted has diverged',
  },
  {
    id: 'run.answers',
    promise: 'a run answers queries wherever it is, and does an update once, also when its worker dies over it',
  },
  {
    id: 'scheduler.generations',
    promise:
      'a run with a loop is rebuilt from its newest generation, also by another scheduler, and keeps its messages and its record',
  },
  {
    id: 'scheduler.generations_bounded',
    promise: 'what the scheduler remembers of a run with a loop, and reads to rebuild it, does not grow with its age',
  },
  {
    id: 'sdk.too_large',
    promise:
      'a value that is too large is an error of the step, question, child or run that has it, and never a wedged run',
  },
  {
    id: 'sdk.stored_streams',
    promise:
      'a stream that a step gives is stored as it comes; its handle goes to steps, children, states of loops and results',
  },
  {
    id: 'run.stored_result',
    promise: 'what a step gave as a stream is read out of the result of its run, and out of no other',
  },
  {
    id: 'run.value_limit',
    promise: 'a value of 1 GiB is stored; one byte more is an error of its step that is not tried again',
  },
  {
    id: 'sdk.loop',
    promise:
      'a loop goes on from its state whether its run stays where it is or is rebuilt, and takes messages, timers and children along',
  },
  {
    id: 'sdk.steers',
    promise: 'a message steers a run in the middle of a step: the step is aborted, and a replay takes the same way',
  },
  {
    id: 'scheduler.undo_outlives_deadline',
    promise:
      'what a cancelled run takes back is not cut short by the deadline of the cancel, and its receipt says what was',
  },
  {
    id: 'sdk.undo',
    promise:
      'what a run did is taken back last first, tried again also after a cancel, and the receipt says what could not be',
  },
  { id: 'run.reaped', promise: 'what a run owned ends with it, also where its worker is dead and nobody cleans up' },
  {
    id: 'runs.read_your_start',
    promise: 'a run that was started is there for whoever asks, also while its end is being committed',
  },
  {
    id: 'scheduler.timer_alone',
    promise: 'a timer that cannot be recorded keeps no other from firing, and is tried again',
  },
  {
    id: 'scheduler.step_lost',
    promise:
      'a step whose worker is silent for longer than its lease is freed, and what that worker brings late is refused',
  },
  {
    id: 'sdk.heartbeat',
    promise: 'a step lives as long as it gives signs of life, and the next attempt knows how far it came',
  },
  {
    id: 'scheduler.exhausted_pauses',
    promise: 'a step that has no attempt left and is to pause waits for a person, who lets it be tried anew',
  },
  {
    id: 'scheduler.worker_killed',
    promise: 'a worker killed at every step boundary leaves each effect once and the result correct',
  },

  {
    id: 'scheduler.clock_jump',
    promise: 'a sleep takes its time while the clock of its scheduler is set an hour forward and back',
  },
  {
    id: 'scheduler.deep_values',
    promise: 'a value that nests deep or has no canonical form is put aside, and the event stays readable',
  },
  {
    id: 'scheduler.worker_serves_own',
    promise: 'a worker is given only runs that its principal may act in: its own, and those that act for it',
  },
  {
    id: 'scheduler.revoked_while_away',
    promise: 'a run that was revoked while no scheduler was there is stopped when one comes, however long ago that was',
  },
  {
    id: 'scheduler.start_permitted',
    promise: 'a run is started where a policy permits it, also by a run whose grant must hold run.start',
  },
  {
    id: 'scheduler.start_within_token',
    promise: 'a run that is started with a narrow token may do no more than that token',
  },

  {
    id: 'outbound.guarded',
    promise:
      'an address that a tenant gives leads to the public internet or where the operator allows, however it is written',
  },
  {
    id: 'outbound.rebinding',
    promise: 'what is connected to is what was checked, whatever the name resolves to later; no redirect is followed',
  },

  {
    id: 'api.stream_refusals',
    promise: 'a stream that is refused tells why, also right behind a frame and while its caller still talks',
  },
  {
    id: 'gateway.failover',
    promise:
      'a call that a killed replica did not take goes to the next one at once, and one that it took goes to no other',
  },
  {
    id: 'gateway.operations_inside',
    promise: 'metrics, health of the services and what they consist of are told on the port for the inside only',
  },
  { id: 'events.cursor_at_once', promise: 'a subscription from now on has a cursor before anything has happened' },
  { id: 'hostile.rest', promise: 'every REST route refuses every kind of bad request with a code, and nothing leaks' },
  { id: 'hostile.grpc', promise: 'every gRPC method refuses every kind of bad message with a code' },
  { id: 'hostile.foreign_ids', promise: 'an id of another tenant is the id of nothing, at every route' },
  { id: 'hostile.smuggling', promise: 'what could be taken for two requests is refused as one' },
  { id: 'hostile.slow', promise: 'connections that never finish hold up nobody' },
  { id: 'hostile.healthy', promise: 'after all of that the stack serves as before, and nothing of it was a bug' },
  {
    id: 'ledger.wire_total',
    promise: 'any text is a command or refused with a code, and answers reach whom they are for',
  },
  {
    id: 'scheduler.report_total',
    promise: 'whatever a worker reports is what an event can hold, or is refused with a code',
  },
  { id: 'api.no_request', promise: 'bytes that are no request are answered with a problem, and never taken for two' },
  {
    id: 'api.host_checked',
    promise: 'a request for a host that is not served here is refused, whatever address it came to',
  },
  { id: 'enforcement.refusal_codes', promise: 'every way to be refused has a code of its own' },
  { id: 'enforcement.refusals_recorded', promise: 'every refusal is in the ledger, with its reasons' },
  {
    id: 'enforcement.intent_first',
    promise: 'an action is in the ledger before it is performed, its outcome before it is handed out',
  },
  { id: 'enforcement.effect_once', promise: 'a repeated action gets the recorded outcome and is not performed again' },
  { id: 'enforcement.effect_of_run', promise: 'nobody but who acts in a run takes the effect ids of that run' },
  {
    id: 'enforcement.one_rule',
    promise: 'people need a permit and operators are bound by a forbid for every action, in every service',
  },
  {
    id: 'enforcement.every_way_past',
    promise:
      'approvals, tokens, assertions and definitions that do not hold are refused, each with its code, and recorded',
  },
  {
    id: 'enforcement.unknown_outcome',
    promise: 'an action of which nobody can say whether it happened ends as unknown, for its repeat too',
  },
  {
    id: 'enforcement.redacts',
    promise: 'a secret among the arguments is in no event, and the digest is of the exact arguments',
  },
  { id: 'enforcement.revocation_aborts', promise: 'a revocation aborts what runs, and its caller gets no result' },

  { id: 'identity.exceeds_parent', promise: 'nobody gives a child, a run or an agent more than they hold' },
  {
    id: 'identity.no_rise_by_run',
    promise: 'whoever a run acts for gets no more by its token than they hold themselves',
  },
  {
    id: 'identity.operator_only',
    promise: 'what concerns every tenant is for operators, whatever somebody may do in a tenant of their own',
  },
  { id: 'identity.only_tokens', promise: 'the authorization server answers for tokens, keys and metadata alone' },
  { id: 'identity.revoked_subtree', promise: 'the revocation of a run takes its whole subtree and nothing else' },
  {
    id: 'identity.revocation_latency',
    promise: 'a revocation is known at an enforcement point milliseconds after its acknowledgement',
  },
  {
    id: 'identity.fail_closed',
    promise: 'an enforcement point that has heard nothing from identity for two seconds refuses everything',
  },
  {
    id: 'identity.rotation_overlap',
    promise: 'a rotation of keys keeps the tokens of the old key valid until they expire',
  },
  {
    id: 'identity.serves_what_it_names',
    promise: 'every endpoint that the metadata of the authorization server names is served',
  },
  {
    id: 'identity.chosen_run_ids',
    promise: 'a run of any id can be revoked and counts as a delegation, and none takes the id of something else',
  },
  {
    id: 'identity.assertion_replay',
    promise: 'a client assertion counts once, also when it is sent twice at the same moment',
  },

  {
    id: 'revocation.under_load',
    promise: 'no call is accepted later than 250 ms after the revocation of its agent, run or tenant, under load',
  },
  {
    id: 'revocation.cuts',
    promise: 'the revocation of a run kills its sandboxes and cuts its streams, and nobody else’s',
  },
  {
    id: 'revocation.worker_stops',
    promise: 'a worker aborts the steps of a revoked run, and every step when its own agent is revoked',
  },
  {
    id: 'revocation.identity_silent',
    promise: 'with identity paused or killed every service refuses within seconds, and works again when it is back',
  },

  { id: 'policy.default_deny', promise: 'a tenant without policies permits nothing' },
  { id: 'policy.forbid_wins', promise: 'a forbid wins over a question and a permit, also when it cannot be evaluated' },
  { id: 'policy.typed', promise: 'policies are checked against the types of the arguments that the tools declare' },
  { id: 'policy.evaluator_total', promise: 'no arguments and no context make the evaluator throw' },
  { id: 'policy.log_only', promise: 'in log-only mode what the policy denies is performed, and the verdict recorded' },
  { id: 'approval.inbox', promise: 'a person lists, or waits for, what they or a group of theirs may decide' },
  { id: 'approval.reminds', promise: 'those who may decide are reminded at recorded times, once each' },
  {
    id: 'approval.escalates',
    promise: 'what nobody decided in time comes to others beside the first, and that is recorded',
  },
  {
    id: 'approval.delegated',
    promise:
      'an approver hands it to another person, who may decide by their own right only; an agent neither gives nor takes it',
  },
  { id: 'approval.typed_answer', promise: 'an answer that does not have the form that was asked for is not accepted' },
  { id: 'approval.bound', promise: 'an approval holds for the exact arguments and the policy version that were shown' },
  { id: 'approval.consumed_once', promise: 'an approval is used once' },
  { id: 'approval.expires', promise: 'an approval is worth nothing after its time, and a time-out is not a denial' },
  { id: 'approval.agent_cannot_decide', promise: 'no agent decides an approval, and nobody their own' },

  { id: 'sandbox.host_hidden', promise: "a sandbox reads nothing of the host's files, environment or processes" },
  { id: 'sandbox.no_network', promise: 'a sandbox reaches no network address' },
  { id: 'sandbox.limits', promise: 'a sandbox cannot exceed its memory, process count or time' },
  { id: 'sandbox.leaves_nothing', promise: 'a sandbox leaves no process, mount or cgroup behind' },
  {
    id: 'sandbox.own_user',
    promise: 'each sandbox runs as a host user of its own, without capabilities or a way to any',
  },
  { id: 'sandbox.core_pattern', promise: "a sandbox cannot write the kernel's settings, core_pattern among them" },
  {
    id: 'sandbox.syscalls',
    promise:
      'namespaces, io_uring, keyrings, ptrace, bpf, mounts, odd sockets, terminal injection and foreign ABIs are refused',
  },
  {
    id: 'sandbox.held_disks',
    promise: 'a runner that follows a killed one isolates at once, whatever the kernel still holds of the other',
  },
  { id: 'sandbox.separate', promise: 'two sandboxes see nothing of each other' },
  { id: 'sandbox.exec', promise: 'a command tells how it ended and why, and dies with everything that it started' },
  { id: 'sandbox.artifact', promise: 'a sandbox starts at the exact commit of an artifact and cannot change it' },
  {
    id: 'sandbox.recorded',
    promise: 'a sandbox is in the ledger from its request to its end, and so is what ran in it',
  },
  { id: 'sandbox.enforced', promise: 'an agent creates and uses sandboxes only as the policy permits' },
  {
    id: 'sandbox.exec_once',
    promise: 'a command asked for again under its effect id runs once and gives its old output',
  },
  { id: 'sandbox.revoked', promise: 'the sandboxes of a revoked agent end at once, with what runs in them' },
  { id: 'sandbox.reconciled', promise: 'a runner that starts again says which sandboxes did not survive' },
  { id: 'artifact.clone', promise: "Git clones an artifact with an agent's token, and without one it does not" },
  {
    id: 'artifact.bombs',
    promise: 'a repository that unfolds to more than is allowed, or is none, is refused with a code and leaves nothing',
  },
  {
    id: 'artifact.paths',
    promise: 'no name in a tree leads out of its checkout, and what the runner keeps for others is no source',
  },
  { id: 'artifact.executes_nothing', promise: 'importing a repository executes nothing that it says' },

  { id: 'tools.quarantine', promise: 'what a server offers waits until a person approves exactly what they saw' },
  { id: 'tools.changed_definition', promise: 'a definition that changes goes back into quarantine' },
  {
    id: 'tools.pinned_connection',
    promise: 'a call goes only over a connection on which the server offered what was approved',
  },
  { id: 'tools.arguments', promise: 'a tool is called with the arguments that the policy allows, and with no others' },
  { id: 'tools.bad_arguments', promise: 'arguments outside the schema do not reach the server' },
  { id: 'tools.schema_dialects', promise: 'a schema is JSON Schema 2020-12 unless it says draft-07' },
  { id: 'tools.no_external_ref', promise: 'nothing that a schema points to outside is fetched' },
  { id: 'tools.refusals_recorded', promise: 'what the tool gateway refuses by itself is in the ledger too' },
  {
    id: 'tools.silent_change',
    promise: 'a tool that its server exchanged without a word is not called for longer than a few seconds',
  },
  { id: 'tools.approval', promise: 'a call that a policy asks about waits for a person and is then made once' },
  { id: 'tools.replayed', promise: 'a repeated effect gets the answer of then, and the server is not called again' },
  { id: 'tools.unknown_outcome', promise: 'a call that was sent and not answered is unknown, unless it only reads' },
  {
    id: 'tools.caller_gone',
    promise: 'a call whose caller goes away is made to its end, and its repeat gets the answer',
  },
  { id: 'tools.revoked_call', promise: 'a call ends when the authority of its caller is revoked' },
  { id: 'tools.no_token_upstream', promise: 'nothing of the caller goes to the server behind a tool' },
  { id: 'tools.tenants', promise: 'the servers of one tenant are nothing to another' },
  { id: 'tools.worker', promise: 'a tool of a worker is decided and recorded by the gateway around its code' },
  {
    id: 'tools.http_hosts',
    promise: 'servers over HTTP are on hosts that the operator named, and no redirect leads away',
  },
  { id: 'tools.upstream_failed', promise: 'a server that cannot be reached says why, and is left alone for a while' },
  {
    id: 'tools.reconnect',
    promise: 'a connection that ended is made anew, and what is offered over it looked at again',
  },
  { id: 'tools.stdio_sandbox', promise: 'a server over stdio runs in a sandbox with the folders that it was given' },
  {
    id: 'tools.stdio_leftovers',
    promise: 'a gateway that was killed does not keep the volume of a server from the next one',
  },
  { id: 'tools.list_filtered', promise: 'a list of tools shows what the token names, and nothing else' },
  { id: 'tools.approved_copy', promise: 'agents see the approved copy of a definition, whatever its server says now' },
  { id: 'tools.mcp_eras', promise: 'the MCP endpoint serves clients of 2026-07-28 and of 2025-11-25, old SDK and new' },
  { id: 'tools.mcp_denial', promise: 'a denial comes back over MCP as a result that says why' },
  {
    id: 'tools.mcp_approval',
    promise: 'an MCP client that was told to wait makes the same call again, and it is made once',
  },
  { id: 'tools.mcp_metadata', promise: 'the MCP endpoint says where its tokens come from' },
  {
    id: 'tools.mcp_audience',
    promise: 'the MCP endpoint takes only tokens that were made for it, and challenges the others',
  },
  {
    id: 'tools.mcp_origin',
    promise: 'no page of the web speaks to the MCP endpoint but those that the operator named',
  },
  {
    id: 'tools.mcp_host',
    promise: 'the MCP endpoint answers to the names that it was given, and to no other (DNS rebinding)',
  },
  {
    id: 'tools.mcp_body',
    promise: 'the MCP endpoint takes no body that is too large, too deep, or holds what cannot be kept',
  },
  { id: 'tools.mcp_headers', promise: 'a request over MCP whose headers and body disagree is refused' },
  {
    id: 'tools.mcp_one_server',
    promise: 'each server is served by itself under its own names, to both eras and both SDKs',
  },
  { id: 'tools.mcp_progress', promise: 'progress and log messages of a call reach its caller, and nobody else' },
  { id: 'tools.mcp_asks', promise: 'a server asks the client of its caller only for what the operator lets it' },
  { id: 'tools.mcp_cancel', promise: 'a caller takes a call back, and the server hears of it' },
  { id: 'tools.mcp_reads', promise: 'prompts and resources are decided by policy and on the record like calls' },
  { id: 'tools.mcp_changes', promise: 'a client hears when its list is another one, and gets a long one in pages' },
  {
    id: 'tools.mcp_sessions',
    promise: 'a session goes on through any replica, for whoever opened it, until their authority ends',
  },
  { id: 'tools.result_bound', promise: 'of an answer that is too large only the claim is handed out' },
  { id: 'tools.upstream_bound', promise: 'an answer of a server that is too large is not read to its end' },
  {
    id: 'tools.env_sealed',
    promise: 'the environment of a server stands in the ledger sealed, and opens for that server only',
  },
  { id: 'tools.removed_types', promise: 'policy forgets the types of a server that is removed' },

  {
    id: 'audit.proof',
    promise: 'every event becomes a leaf whose proof verifies with a program that is not ours alone',
  },
  {
    id: 'audit.no_false_alarm',
    promise: 'a broker that is slow, or a copy of it that lags behind, is not taken for one that has lost something',
  },
  { id: 'audit.flipped_byte', promise: 'a flipped byte is detected and named' },
  { id: 'audit.dropped_commit', promise: 'a commit that the broker dropped, and a tail that was cut, are named' },
  {
    id: 'audit.rewritten_history',
    promise:
      'commits that were changed, taken out, put in or moved are named, also where the chain was made to hold again',
  },
  { id: 'audit.trimmed', promise: 'a tail that was cut off and a stream that an update has trimmed are named' },
  {
    id: 'audit.index_changed_too',
    promise:
      'changing the index or a tile with the ledger does not hide it, and changing one of them alone is named as that',
  },
  {
    id: 'audit.rolled_back',
    promise:
      'a ledger that was set back, or that is another one, is named, and audit signs nothing over what it has signed',
  },
  {
    id: 'audit.witness',
    promise:
      'whoever keeps a checkpoint outside notices that the whole installation, audit and all, was set back or replaced',
  },
  {
    id: 'audit.independent',
    promise: "checkpoints and proofs verify with an implementation that is not ours, Sigstore's",
  },
  { id: 'audit.any_subject', promise: 'no name that an event is about stops the index of the record' },
  { id: 'audit.rebuild', promise: 'the tree is built again from the ledger when its tiles are lost' },

  {
    id: 'api.capability_of_every_method',
    promise: 'every method says who may call it, and refuses everybody else over gRPC and over REST',
  },
  {
    id: 'api.resource_of_capability',
    promise: 'a capability that names resources is worth nothing on others, nor for a list of everything',
  },
  {
    id: 'api.revoked_meanwhile',
    promise: 'a call that waits is not answered to whoever was revoked while it waited',
  },
  { id: 'api.admitted_first', promise: 'nothing of a request is read before its caller was admitted' },
  { id: 'api.strict', promise: 'unknown fields, malformed bytes, broken rules and too much are refused, each by name' },
  {
    id: 'api.unfit_text',
    promise: 'a text with U+0000 or half of a surrogate pair does not get in, wherever in a request it stands',
  },
  { id: 'api.one_refusal', promise: 'a refusal is the same over gRPC and REST, and a bug tells nothing of its text' },
  { id: 'api.backpressure', promise: 'a reader that stops reading stops the writer, over gRPC, REST and the door' },
  { id: 'api.frees_handler', promise: 'a caller that cancels, leaves, dies or runs out of time frees its handler' },
  {
    id: 'gateway.pass_through',
    promise: 'what is passed on over HTTP arrives as it was sent, unparsed and unbuffered, and so does the answer',
  },
  { id: 'gateway.early_refusal', promise: 'a service that refuses a body before it was sent to its end is heard' },
  {
    id: 'gateway.grpc_routing',
    promise: 'a gRPC call at the door reaches whoever implements its service, and a refusal comes back',
  },
  { id: 'gateway.openapi', promise: 'the door has one valid OpenAPI 3.1 document with every method of every service' },
  {
    id: 'gateway.installation',
    promise: 'the health of the door tells of every service behind it how many replicas are up',
  },
  { id: 'events.tenant_wall', promise: 'no filter and no cursor reaches an event of another tenant' },
  { id: 'events.resume', promise: 'going on behind a cursor loses and repeats no event, wherever the stream was cut' },
  {
    id: 'events.revoked',
    promise: 'a stream of events ends when the authority behind it is revoked and when its token expires',
  },
  { id: 'events.slow_subscriber', promise: 'a subscriber that does not read costs little memory, and loses nothing' },
  { id: 'platform.storable', promise: 'no text in an event stops a view, also one that PostgreSQL cannot hold' },
  {
    id: 'tenants.row_level_security',
    promise:
      'a query that forgets the tenant sees and changes nothing of another, and nothing at all where none is named',
  },
  {
    id: 'tenants.service_role',
    promise: 'a service works as a role that owns nothing, is bound by row-level security and reaches one schema',
  },
  {
    id: 'tenants.apart',
    promise: 'of two tenants with the same names for everything, each gets its own and nothing of the other',
  },
  { id: 'tenants.no_oracle', promise: 'an id of another tenant is answered exactly like one that nobody has' },
  { id: 'tenants.revocation', promise: 'what one tenant revokes under an id that another has too ends nothing there' },
  { id: 'metrics.labels', promise: 'no metric and no health page names what a tenant has or chose' },
  {
    id: 'observability.one_trace',
    promise: 'one trace leads from the SDK’s call over door, command, commit, reaction and tool call to the outcome',
  },
  {
    id: 'observability.no_secrets',
    promise: 'no log line, metric, health page, span or failed answer has a credential or what users wrote',
  },
  { id: 'observability.no_credentials_in_ledger', promise: 'no credential that was used or misused is in the ledger' },
  { id: 'observability.log_lines', promise: 'log lines of a call name tenant, principal, run and trace' },
  { id: 'metrics.page', promise: 'the page of metrics lists what services answer, and nothing else' },
  { id: 'memory.once', promise: 'the same effect remembers once, however often and by however many it is sent' },
  {
    id: 'memory.enforced',
    promise:
      'what the policies forbid is neither remembered nor read, and leaves no trace of its text among the memories',
  },
  {
    id: 'memory.own_words',
    promise: 'what was remembered before a question is found by it, also where the view was behind',
  },
  { id: 'memory.search', promise: 'memories are found by words, best first, and in spite of a wrong letter' },
  {
    id: 'memory.search_bounded',
    promise: 'a search that would keep the database from everybody else is refused',
  },
  { id: 'memory.tenant_wall', promise: 'no scope, no question and no id reaches a memory of another tenant' },
  {
    id: 'memory.forget',
    promise: 'what is forgotten is gone from every answer and from the view, and forgetting again changes nothing',
  },
  { id: 'memory.rebuild', promise: 'the view of memories built again from the ledger is the same' },
  {
    id: 'audit.search',
    promise: 'the record is searched by agent, run, type, subject and time, page after page without a gap or a repeat',
  },
  { id: 'audit.tenant_wall', promise: 'no search, no id and no bundle gives an event to another tenant' },
  {
    id: 'audit.bundle',
    promise:
      'the bundle of a run verifies by the SDK and by a program that needs nothing of Writ, and a changed one by neither',
  },
  { id: 'audit.consistency', promise: 'a consistency proof shows that a later checkpoint extends an earlier one' },
  {
    id: 'standalone.serves',
    promise: 'the embedded stack, in one process or in many, serves every service behind one door',
  },
  {
    id: 'platform.database_away',
    promise: 'a call that meets a database that is away may be tried again, and is told so',
  },
  {
    id: 'sdk.outage_is_no_attempt',
    promise: 'what a run does waits for a platform that is away, which is no failed attempt of its step',
  },
  {
    id: 'enforcement.failed_for_now',
    promise: 'an action that failed for the moment only is performed by its repeat, where that can do no harm',
  },
  {
    id: 'api.door_tells_cut',
    promise: 'whoever listens to a service that is killed behind the door is told, and can go on elsewhere',
  },
  {
    id: 'services.killed',
    promise: 'services and the database that are killed under a working agent cost time, and nothing else',
  },
  {
    id: 'sdk.takes_over_with_the_run',
    promise: 'a step under way is not made again by the worker that has it, when another scheduler takes the run over',
  },
  {
    id: 'scheduler.large_result',
    promise: 'a result of any size is read by whoever may read its run',
  },
  {
    id: 'tools.not_reached',
    promise: 'a call that did not reach its server is no unknown and no final failure: its repeat is made',
  },
  {
    id: 'standalone.supervised',
    promise: 'a service in a process of its own that ends by itself is started again, ever more slowly',
  },
  {
    id: 'standalone.leaves_nothing',
    promise:
      'the embedded stack leaves no process behind when it is stopped, when it is killed, and when it is killed while it starts',
  },
  {
    id: 'backup.restores',
    promise:
      'an installation that lost everything comes back from a backup made under load: same answers, same record, and its runs end',
  },
  {
    id: 'backup.secret',
    promise: 'what is in a backup is readable by its owner only, and a backup overwrites nothing',
  },
  { id: 'backup.damaged', promise: 'a backup that was changed, cut off or not finished is refused with what is wrong' },
  {
    id: 'doctor.says',
    promise: 'what is wrong with an installation is said in a sentence, with the command that mends it',
  },
  {
    id: 'doctor.mixed_code',
    promise: 'replicas of one service that speak another API or read events otherwise are named by doctor and status',
  },
  {
    id: 'standalone.upgrade',
    promise:
      'a data folder of an earlier version opens: it reads the same, its record verifies, and the runs that waited go on',
  },
  {
    id: 'api.any_token',
    promise: 'a method that any valid token may call is refused without one, and asks for no capability',
  },
  { id: 'platform.drain', promise: 'a service that stops finishes what is in flight and refuses what is new' },
  { id: 'platform.health', promise: 'readiness tells when the broker hangs or the database is gone, and their return' },
  {
    id: 'platform.health_enforcement',
    promise: 'a service that would refuse everything, for want of identity or of policies, is not ready',
  },
  {
    id: 'platform.discovery',
    promise: 'a restart of the broker loses nobody: whoever was announced is announced and found again',
  },
  { id: 'platform.trace', promise: 'the trace of a request stands in the events that it led to' },
  {
    id: 'sdk.worker_direct',
    promise:
      'a worker goes to a scheduler itself where the installation says that it may, and by the door when none is reached there',
  },
  { id: 'sdk.step_once', promise: 'a finished step never acts again, also on a worker that rebuilds the run' },
  {
    id: 'sdk.same_way_twice',
    promise: 'promises settle in the order of the ledger, each at rest, so that a race comes out the same in a replay',
  },
  { id: 'sdk.diverges', promise: 'code that left the recorded way is paused with a difference and acts no more' },
  {
    id: 'sdk.test_queues',
    promise: 'a queue with limits in a test holds its runs to them as the platform does, on virtual time',
  },
  { id: 'sdk.strict_replay', promise: 'a strict replay performs nothing and names the first difference' },
  { id: 'sdk.reconnects', promise: 'a step under way while the scheduler was gone is taken up, not made twice' },
  {
    id: 'sdk.revoked_worker_stops',
    promise: 'a worker whose authority is taken away aborts every step that it runs, and does not come back',
  },
  {
    id: 'sdk.drains',
    promise: 'a worker that stops finishes the step under way, begins no other and hands its runs over',
  },
  { id: 'sdk.run_authority', promise: 'what a run does goes out under its own token, never under that of its worker' },
  {
    id: 'sdk.effect_once',
    promise: 'a call keeps its effect id over retries and workers, and an unknown outcome is said, not repeated',
  },
  { id: 'sdk.cancel_reaches', promise: 'a cancellation reaches every step, tool call and process of a run' },
  { id: 'sdk.log_once', promise: 'the log of a workflow is silent while recorded results are replayed' },
  { id: 'sdk.codec', promise: 'a value comes back as it was given, and what cannot be kept fails with its path' },
  { id: 'sdk.examples', promise: 'every example of the SDK runs as a program of its own against the whole stack' },
  { id: 'sdk.verify', promise: 'a proof bundle is checked offline, down to one flipped byte' },
  {
    id: 'cli.run_result',
    promise:
      'the CLI writes the result of a run of any size, and what a step gave as a stream as the bytes that it gave',
  },
  { id: 'cli.contract', promise: 'every path that the CLI calls is the one that the contract annotates' },
  { id: 'cli.help', promise: 'every command has a help with examples, on stdout' },
  { id: 'cli.start', promise: 'the help of the CLI loads nothing heavy' },
  { id: 'cli.usage', promise: 'a command line that is not right exits 2, with a suggestion, and prints no data' },
  { id: 'cli.completion', promise: 'shells complete commands and the values of options' },
  { id: 'cli.json', promise: 'JSON of the CLI is the body of the REST answer, field for field' },
  {
    id: 'cli.problem',
    promise: 'with JSON an error of the CLI is one problem document on stderr and nothing on stdout',
  },
  { id: 'cli.exit_codes', promise: 'what kind of refusal it was is the exit code' },
  { id: 'cli.unreachable', promise: 'nothing there, no answer in time and something that is not Writ exit 7' },
  { id: 'cli.interrupt', promise: 'Ctrl-C ends a command that hangs at once, with 130' },
  {
    id: 'cli.watch',
    promise: 'watching a run goes on where a stream broke off, and its exit code is how the run ended',
  },
  { id: 'cli.hostile_text', promise: 'what agents and tools wrote cannot forge anything on a terminal' },
  {
    id: 'cli.confirm',
    promise: 'what cannot be taken back is never done unasked, and nobody is asked without a terminal',
  },
  {
    id: 'cli.settings',
    promise: 'flags win over environment, project and user, and no identity is shown to another place',
  },
  {
    id: 'cli.private_key',
    promise: 'a new private key stays in a file of its owner, and nowhere where it was refused',
  },
  { id: 'cli.exec', promise: 'a command in a sandbox streams both outputs, and its failure is told' },
  { id: 'cli.denied', promise: 'a call that policy denies exits 5 with the reasons' },
  { id: 'cli.doctor', promise: 'doctor names what is wrong with its repair, and exits 10' },
  {
    id: 'cli.dev',
    promise: 'one command runs all of Writ with a worker that restarts on change, and Ctrl-C leaves nothing',
  },
  { id: 'cli.run', promise: 'a run is started once by its id, watched, read and replayed from the command line' },
  {
    id: 'cli.policy',
    promise: 'policies are validated, pushed against a version, and explained from the command line',
  },
  { id: 'cli.verify', promise: 'an exported bundle is verified offline with a key, and a changed one is found' },
  { id: 'cli.revoke', promise: 'an agent made on the command line holds what it was given, and nothing once revoked' },
  {
    id: 'servers.die_with_parent',
    promise: 'no server and no process of the project outlives a parent that was killed',
  },
  {
    id: 'demo.remembers',
    promise: 'a second review of a repository tells new findings from known ones and from those that are gone',
  },
  { id: 'demo.main_job', promise: 'the demo does the main job on this repository and on another one' },
  { id: 'blobs.once', promise: 'the same bytes are kept once, however often and from wherever they come' },
  { id: 'blobs.verified', promise: 'a blob that is not what its hash says is refused, whole or streamed' },
  {
    id: 'ledger.follow',
    promise: 'a reader gets every commit once and in order, from any commit on, over restarts of the broker',
  },
  { id: 'ledger.chain', promise: 'a commit that does not continue the chain is noticed by whoever reads' },
  {
    id: 'ledger.leases',
    promise:
      'a replica keeps its partitions with one word a second, gives up what others took while it was not heard, and takes nobody for dead while the broker takes no word of its own',
  },
  { id: 'ledger.hand_over', promise: 'replicas share the partitions and hand them over without losing a command' },
  {
    id: 'ledger.no_stale_answer',
    promise: 'a deposed owner cannot even refuse: what it answers is proven to be of the newest state',
  },
  {
    id: 'ledger.append_only',
    promise: 'no service can change, trim, purge, remove or restore a ledger at the broker',
  },
  { id: 'nats.enough', promise: 'with its own credentials each service owns its partitions and follows what it must' },
  {
    id: 'nats.least_privilege',
    promise: 'no service can write, hear or answer at the broker what is another’s',
  },
  {
    id: 'standalone.secrets',
    promise:
      'every service has a password of its own at the broker, in files of this user alone and on no command line',
  },
  { id: 'runbooks.one_each', promise: 'every alert has a page that says what to do, and every page an alert' },
  { id: 'runbooks.measured', promise: 'alerts, dashboard and runbooks ask only for metrics that there are' },
  {
    id: 'runbooks.run',
    promise: 'every diagnosis of every runbook runs against the running stack and prints what its page says',
  },
  { id: 'platform.secret_files', promise: 'a secret is read from a file that is named instead of it' },
  {
    id: 'nats.no_borrowed_voice',
    promise: 'what the broker delivers on behalf of somebody who may not send commands is no command',
  },
  { id: 'ledger.read_your_writes', promise: 'whoever waits for a position reads what was written there' },
  { id: 'ledger.rebuild_view', promise: 'a view that is built again from the ledger is the same view' },
  {
    id: 'ledger.poison',
    promise: 'an event that a projection cannot take parks this projection, visibly, and no other',
  },
  {
    id: 'ledger.poison_reactor',
    promise:
      'an event that a reactor fails on holds back this reactor on this partition, visibly, and goes on once mended',
  },
  {
    id: 'ledger.no_leftovers',
    promise: 'an owner leaves nothing at the broker that slows it down, however often it is killed and started again',
  },
  {
    id: 'ledger.reactor_retry',
    promise: 'a reactor repeats what failed before later events, and sets aside what was refused',
  },
  {
    id: 'ledger.snapshot',
    promise: 'a snapshot is only a cache: a wrong or an old one changes nothing but the time to recover',
  },
  { id: 'ledger.upcast', promise: 'every version of an event ever written is read as of today' },
  {
    id: 'run.cancel_while_retrying',
    promise:
      'a cancel gives up steps that wait for their next attempt, each recorded once, and the run does not diverge',
  },
  {
    id: 'programs.random',
    promise:
      'random workflows end as a simple model says while workers, the scheduler, nats-server and PostgreSQL are killed and paused',
  },
  {
    id: 'schedule.once',
    promise:
      'a schedule has one run for each of its times and never two, also while the scheduler that owns it is killed',
  },
  {
    id: 'schedule.clock_change',
    promise: 'a time of day that the clocks skip runs at the first moment after, one that comes twice runs once',
  },
  {
    id: 'schedule.overlap',
    promise:
      'when the run before goes on a time is skipped, buffered, allowed, or takes its place, and what was skipped is recorded',
  },
  {
    id: 'schedule.catch_up',
    promise: 'times missed within the window are made up for, older ones are recorded as skipped',
  },
  { id: 'schedule.pause', promise: 'a paused schedule starts nothing and does not make up for it' },
  {
    id: 'schedule.backfill',
    promise: 'a range that has passed can be backfilled, and a time that has its run keeps it',
  },
  { id: 'schedule.never_due', promise: 'a schedule that would never start a run is refused and told why' },
  {
    id: 'schedule.refused_start',
    promise:
      'policy and identity are asked at every start; a refusal is recorded, and without authority the schedule pauses itself',
  },
  {
    id: 'schedule.authority',
    promise: 'a schedule is created by who may start its runs, never with the token of a run',
  },
  { id: 'schedule.lifecycle', promise: 'a schedule is created, shown, listed, triggered, updated and deleted' },
  {
    id: 'scheduler.pause',
    promise:
      'a run that somebody pauses is with no worker until it is resumed, keeps what comes, and can still be cancelled with all that it takes back',
  },
  {
    id: 'versions.patched',
    promise: 'at ctx.patched new runs take the new way and runs that were begun before it the old one, on every replay',
  },
  {
    id: 'versions.restart',
    promise:
      'a run that ended or is paused goes on from a step: what came before is kept, what follows is done anew under new effect ids, and named',
  },
  {
    id: 'versions.fork',
    promise:
      'a run can begin with the recorded part of another one, performs none of it, and goes its own way from there',
  },
  {
    id: 'versions.pinned',
    promise:
      'a run that is pinned to a version goes to workers of that version alone, also when it is pinned to another',
  },
  {
    id: 'versions.ramp',
    promise:
      'a ramp gives a share of the new runs of a workflow to one version and the others to another, alike for a start that is repeated, and they wait for workers of it',
  },
  {
    id: 'run.archived',
    promise:
      'runs that have ended are written into a folder with all that is recorded of them, which verifies without a server, and are deleted by its name',
  },
  {
    id: 'versions.check',
    promise:
      'writ run check replays recorded runs on changed code, performs nothing, and says which would diverge and where',
  },
  { id: 'batch.once', promise: 'a page of a batch counts once, however often it is reported' },
  {
    id: 'batch.durable',
    promise: 'a batch is done to all runs that match, to each once, also when the scheduler that carries it out dies',
  },
  {
    id: 'batch.rights',
    promise: 'a batch touches no run beyond the rights of who created it, and says so of each code with an example',
  },
  {
    id: 'queue.key_concurrency',
    promise: 'of one key no more runs go on than the queue says, waiting or not, and other keys are not held up',
  },
  {
    id: 'queue.fair',
    promise:
      'slots go to keys in turn, by share and cost, nobody starves, and none is left free that somebody may have',
  },
  {
    id: 'stream.resume',
    promise:
      'who watches what a step writes goes on behind a cursor, at any replica: nothing is lost, nothing comes twice',
  },
  { id: 'stream.end', promise: 'the end of a run is told to who watches what it writes, behind all that it wrote' },
  { id: 'stream.no_ledger', promise: 'what a step writes is not in the ledger; only that it wrote is' },
  {
    id: 'cli.follow',
    promise:
      'following a run shows what its steps write, says what is superseded, and goes on where a stream broke off',
  },
  {
    id: 'budget.reserved',
    promise: 'what a run spends is reserved first, and what it did not spend is free again',
  },
  { id: 'budget.once', promise: 'an amount is reserved once and settled once, however often it is asked for' },
  { id: 'budget.zero', promise: 'a budget of zero is used up by the first amount, with a code and a question' },
  { id: 'budget.unsettled', promise: 'what was reserved and never settled counts as spent when its run ends' },
  {
    id: 'budget.paused',
    promise: 'a step that is refused for want of budget waits, and is tried again when there is more',
  },
  {
    id: 'budget.answered',
    promise: 'who waits for more budget fails by the no of a person, and by nobody’s silence',
  },
  { id: 'budget.time', promise: 'a run whose time is over stands still until it gets more, and is cancelled by a no' },
  { id: 'budget.inherited', promise: 'what a run starts spends from its budget' },
  {
    id: 'budget.child_waits',
    promise: 'a child for which there is no budget is not refused: its parent waits for a person as a step does',
  },
  { id: 'budget.share', promise: 'a child with limits holds a share of its parent’s, and returns what it did not use' },
  { id: 'run.depth_limit', promise: 'a workflow that starts itself for ever is refused by a code at a depth' },
  {
    id: 'budget.tree',
    promise: 'a tree of runs spends no more than its root was given, and goes on when a person adds to it',
  },
  {
    id: 'budget.not_yours',
    promise: 'only who serves a run spends from its budget, and nothing that acts in a run adds to one',
  },
  {
    id: 'scheduler.find_runs',
    promise:
      'of 100,000 runs those of a state, a workflow, a parent or an attribute are found, in order, without reading the others',
  },
  { id: 'scheduler.count_runs', promise: 'runs are counted by state and workflow without counting them' },
  {
    id: 'queue.concurrency',
    promise:
      'no more runs of a queue go on at once than it says, also while a scheduler is killed that owns its runs or slots, and all go on in the end',
  },
  {
    id: 'queue.rate',
    promise: 'runs begin no faster than the rate of their queue says, whichever scheduler is killed',
  },
  {
    id: 'queue.waiting_is_free',
    promise: 'a run that only waits gives its slot to another, and goes on before runs that have not begun',
  },
  { id: 'queue.no_key', promise: 'a start without the key that its queue needs is refused, and says which' },
  { id: 'queue.why', promise: 'a run that does not go on says why, since when, and which runs have what it waits for' },
  {
    id: 'budget.tool_calls',
    promise:
      'a tool call of a run is paid from its budget before it is intended, once for each effect, whatever made it',
  },
  { id: 'budget.in_token', promise: 'who acts in a run pays from its budget, however its token was handed on' },
  {
    id: 'cli.batch',
    promise: 'the command line says how many runs it is about to touch, and touches many only after a yes',
  },
  {
    id: 'approval.withdrawn',
    promise: 'what nobody waits for any more, since its run has ended or gave it up, is withdrawn and in no inbox',
  },
  {
    id: 'budget.sdk',
    promise: 'a workflow that has used up its budget waits for a person, in a test without a scheduler too',
  },
  {
    id: 'run.deleted',
    promise: 'a deleted run is in no list and no count, says so to whoever asks, and keeps its record and its id',
  },
  {
    id: 'stream.superseded',
    promise:
      'what an attempt wrote that failed, or whose worker died, is superseded by the next, and who watches is told',
  },
  { id: 'stream.missed', promise: 'who watches what a step writes is told where some of it was lost on the way' },
  {
    id: 'stream.own_run',
    promise: 'a worker writes in the streams of the runs that it has and of no others, and no other tenant reads them',
  },
  {
    id: 'stream.scheduler_killed',
    promise: 'what a step writes goes on over a killed scheduler, and nothing comes twice',
  },
  {
    id: 'stream.open_protocol',
    promise: 'the stream of a run can be read over the Durable Streams protocol, and is closed when the run has ended',
  },
  { id: 'stream.governed', promise: 'a stream of clients is made, written and read by those who may, in their tenant' },
  { id: 'stream.fenced', promise: 'two processes that write the same stream at once lose nothing and double nothing' },
  {
    id: 'stream.slow_reader',
    promise: 'a reader of a stream that does not keep up holds back nobody, and still gets everything that is held',
  },
  {
    id: 'budget.never_over',
    promise:
      'no tree of runs spends more than it was granted, whatever is sent twice, and all is accounted for at its end',
  },
  {
    id: 'budget.end_to_end',
    promise: 'calls of a run through the gateway and what its steps and children spend come out of one budget',
  },
  {
    id: 'stream.revoked',
    promise:
      'a stream of what steps write is cut with the authority of who reads it, and ends with a run that is revoked',
  },
  {
    id: 'budget.under_faults',
    promise: 'children are counted in the budget of their tree, each once, whatever is killed or paused meanwhile',
  },
  {
    id: 'run.retention',
    promise:
      'runs that are older than the rule of their workflow and state allows are deleted, with their record kept, and no others',
  },
  {
    id: 'run.not_deterministic',
    promise:
      'code that takes the clock, chance or a changing order is paused with the place, and ctx.now and ctx.crypto are not',
  },
  {
    id: 'run.names',
    promise:
      'steps of one name are told apart by their turn, a name may be any text, and what is no text is refused where it is given',
  },
  {
    id: 'run.unfit_words',
    promise: 'an error whose words are no text ends its step like any other, and holds up no worker',
  },
  {
    id: 'run.children_together',
    promise:
      'few children of a run live where it lives, many are spread over the partitions, and the same command names the same child',
  },
  {
    id: 'schedule.place',
    promise: 'a schedule says which version its runs are pinned to, and their key and priority in a queue with limits',
  },
  { id: 'run.many_children', promise: 'a run may have a thousand children, and not one more than its limits say' },
  {
    id: 'run.ended_takes_nothing',
    promise: 'a run that was to start in the past starts at once, and one that has ended takes no message',
  },
  {
    id: 'run.answers_survive',
    promise:
      'a scheduler that dies over an update or a join of runs that others wait for loses no answer and doubles none',
  },
  {
    id: 'queue.metrics',
    promise: 'metrics say how many runs wait for the limits of their queues, which limits, and how long the longest',
  },
  { id: 'scheduler.failover', promise: 'a scheduler that is killed or paused loses nothing and doubles nothing' },
  { id: 'scheduler.restart', promise: 'a scheduler that comes back takes up every run where it was' },
  {
    id: 'scheduler.replay_equals_live',
    promise: 'the index of runs that is built from the ledger equals the live one, for random programs',
  },
  {
    id: 'scheduler.resources',
    promise: 'what a caller may see and do with runs is held to the resources of its capability',
  },
  {
    id: 'scheduler.divergence_pauses',
    promise: 'a run whose code took another way is paused with a difference and acts no more',
  },
  {
    id: 'scheduler.readable_difference',
    promise: 'what the code does otherwise than the record is shown to a person as a diff, with what to do',
  },
  {
    id: 'sdk.starts_together',
    promise: 'what one client starts at the same time goes in one call, and each start has an outcome of its own',
  },
  {
    id: 'sdk.messages_together',
    promise: 'messages that one client sends at the same time go together, each with an outcome of its own',
  },
  {
    id: 'scheduler.many_messages',
    promise: 'of many messages in one call each is sent or refused by itself, once, in the order of the call',
  },
  {
    id: 'sdk.one_stream_of_ends',
    promise: 'a client waits for the ends of all its runs over one stream, which is made again when it breaks',
  },
  {
    id: 'scheduler.many_starts',
    promise:
      'of 10,000 starts in one call each is started or refused by itself, and a repeat starts none of them again',
  },
  {
    id: 'scheduler.many_ends',
    promise: 'the ends of many runs come over one stream from whichever replica owns them, also when that changes',
  },
  {
    id: 'scheduler.grant_when_needed',
    promise:
      'a run gets a grant when somebody first has to act in it, within what its start allowed, and none after its end',
  },
  {
    id: 'scheduler.revoked_ungranted',
    promise: 'a revocation stops runs that never had a grant, also one whose start was on its way when it was heard',
  },
  {
    id: 'policy.remembered_decision',
    promise: 'a decision is reused only where policies and all that they see are the same, and is then the same',
  },
  {
    id: 'cli.start_many',
    promise: 'a file of runs is started line by line, and a refused line is told with its number',
  },
  { id: 'scheduler.strict_replay', promise: 'a strict replay performs nothing and tells the first difference' },
  { id: 'scheduler.stale_attempt', promise: 'of two workers with one run only the one that has it now is believed' },
  { id: 'scheduler.tenant_isolation', promise: 'a worker gets and touches no run of another tenant' },
];
