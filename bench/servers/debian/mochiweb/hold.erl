%% Erlang with MochiWeb: a process a connection, which waits for its message. With `hibernate` as the last argument it
%% hibernates meanwhile, and goes back to the connection by MochiWeb's own re-entry.
-module(hold).
-export([main/1, serve/3, resume/4]).

main([Port, Timeout | How]) ->
    ets:new(lines, [duplicate_bag, public, named_table]),
    {ok, _} = mochiweb_http:start([
        {name, ?MODULE},
        {ip, "127.0.0.1"},
        {port, list_to_integer(Port)},
        {max, 100000},
        {backlog, 4096},
        {nodelay, true},
        {loop, {?MODULE, serve, [list_to_integer(Timeout), How =:= ["hibernate"]]}}
    ]),
    timer:sleep(infinity).

serve(Req, Timeout, Hibernates) ->
    case mochiweb_request:get(path, Req) of
        "/hold/" ++ Key ->
            ets:insert(lines, {Key, self()}),
            Late = erlang:send_after(Timeout, self(), late),
            case Hibernates of
                true ->
                    Reentry = mochiweb_http:reentry({?MODULE, serve, [Timeout, Hibernates]}),
                    proc_lib:hibernate(?MODULE, resume, [Req, Key, Late, Reentry]);
                false ->
                    answer(Req, Key, Late)
            end;
        "/publish/" ++ Key ->
            Body = mochiweb_request:recv_body(Req),
            {struct, [{<<"data">>, Message}]} = mochijson2:decode(Body),
            Waiting = ets:take(lines, Key),
            [Pid ! {message, Message} || {_, Pid} <- Waiting],
            mochiweb_request:respond({200, [], integer_to_list(length(Waiting))}, Req);
        "/held" ->
            mochiweb_request:respond({200, [], integer_to_list(ets:info(lines, size))}, Req);
        _ ->
            mochiweb_request:respond({200, [], <<"here">>}, Req)
    end.

%% Where a hibernated process wakes up.
resume(Req, Key, Late, Reentry) ->
    answer(Req, Key, Late),
    Reentry(Req).

answer(Req, Key, Late) ->
    receive
        {message, Message} ->
            erlang:cancel_timer(Late),
            mochiweb_request:respond({200, [{"Content-Type", "text/plain"}], Message}, Req);
        late ->
            ets:delete_object(lines, {Key, self()}),
            mochiweb_request:respond({204, [], []}, Req)
    end.
