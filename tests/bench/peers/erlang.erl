%% Erlang, in two nodes: `escript erlang.erl <workload> <count>` prints the figure, where ERL_ZFLAGS is
%% "-start_epmd false -erl_epmd_port <a free port>".
-module(erlang_peer).
-mode(compile).
-export([main/1, echo/0, sender/3, large_sender/2]).

-define(LARGE_BYTES, (1 bsl 20)).
-define(PATIENCE, 60000).

value_of(I) -> (I * 16#9e3779b97f4a7c15) band 16#ffffffffffffffff.
sum_of(Messages) -> (16#9e3779b97f4a7c15 * (Messages * (Messages - 1) div 2)) band 16#ffffffffffffffff.
message(I) -> <<(value_of(I)):64/little, 0:448>>.
value_in(<<Value:64/little, _:448>>) -> Value.

main([Workload, Count]) ->
    Node = other_node(),
    Figure = measure(Workload, Node, list_to_integer(Count)),
    io:format("~w~n", [float(Figure)]),
    halt(0).

%% This node listens where it was told to (-erl_epmd_port), and the other one does not: so no daemon is needed
%% for their names.
other_node() ->
    Id = os:getpid(),
    {ok, _} = net_kernel:start([list_to_atom("bench" ++ Id ++ "@localhost"), shortnames]),
    Listens = ["-dist_listen", "false"],
    {ok, _, Node} = peer:start(#{name => "other" ++ Id, host => "localhost", args => Listens}),
    {ok, Module, Code} = compile:file(escript:script_name(), [binary]),
    {module, Module} = erpc:call(Node, code, load_binary, [Module, "erlang.erl", Code]),
    Node.

measure("round-trip", Node, Count) ->
    Other = spawn_link(Node, ?MODULE, echo, []),
    trips(Other, 0, Count div 10),
    {Time, ok} = timer:tc(fun() -> trips(Other, 0, Count) end),
    Time / Count;
measure("one-way", Node, Count) -> one_way(Node, 1, Count);
measure("four-to-one", Node, Count) -> one_way(Node, 4, Count);
measure("large", Node, Count) ->
    Other = spawn_link(Node, ?MODULE, large_sender, [self(), Count]),
    receive ready -> ok after ?PATIENCE -> error("a sender is not ready") end,
    Middle = middle(),
    {Time, ok} = timer:tc(fun() -> Other ! begin_now, receive_large(0, Count, Middle) end),
    Count * ?LARGE_BYTES / Time / 1000.

trips(_, Count, Count) -> ok;
trips(Other, I, Count) ->
    Message = message(I),
    Other ! {self(), Message},
    receive Message -> trips(Other, I + 1, Count) after ?PATIENCE -> error("no answer") end.

echo() -> receive {From, Message} -> From ! Message, echo() end.

one_way(Node, Senders, Count) ->
    Each = Count div Senders,
    Others = [spawn_link(Node, ?MODULE, sender, [self(), Each, 0]) || _ <- lists:seq(1, Senders)],
    [receive ready -> ok after ?PATIENCE -> error("a sender is not ready") end || _ <- Others],
    {Time, Sum} = timer:tc(fun() ->
        [Other ! begin_now || Other <- Others],
        receive_all(Senders * Each, 0, fun value_in/1)
    end),
    Sum = (Senders * sum_of(Each)) band 16#ffffffffffffffff,
    Senders * Each / Time.

receive_all(0, Sum, _) -> Sum;
receive_all(Left, Sum, Read) ->
    receive
        Message when is_binary(Message) ->
            receive_all(Left - 1, (Sum + Read(Message)) band 16#ffffffffffffffff, Read)
    after ?PATIENCE -> error("no message")
    end.

sender(To, Count, 0) ->
    To ! ready,
    receive begin_now -> sender(To, Count, 1) end;
sender(To, Count, Next) when Next =< Count ->
    To ! message(Next - 1),
    sender(To, Count, Next + 1);
sender(_, _, _) -> ok.

%% What a large message has between its ends, which are its number.
middle() -> << <<(value_of(I)):64/little>> || I <- lists:seq(1, ?LARGE_BYTES div 8 - 2) >>.

large_sender(To, Count) ->
    Middle = middle(),
    To ! ready,
    receive begin_now -> ok end,
    [begin End = <<(value_of(I)):64/little>>, To ! <<End/binary, Middle/binary, End/binary>> end
     || I <- lists:seq(0, Count - 1)],
    ok.

%% All of it is compared: adding up words is slow in Erlang.
receive_large(Count, Count, _) -> ok;
receive_large(I, Count, Middle) ->
    Number = value_of(I),
    Bytes = ?LARGE_BYTES - 16,
    receive
        <<Number:64/little, Between:Bytes/binary, Number:64/little>> when Between =:= Middle ->
            receive_large(I + 1, Count, Middle)
    after ?PATIENCE -> error("no message, or another one")
    end.
