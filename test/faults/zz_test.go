package faults
import ("testing";"time";"github.com/caddy-affiliate/caddy-affiliate/test/caddy";"github.com/caddy-affiliate/caddy-affiliate/test/check")
func TestZZ(t *testing.T){
	at:=time.Now()
	lap:=func(s string){t.Logf("%s %s",s,time.Since(at));at=time.Now()}
	p := caddy.Start(t, with(embedded)); lap("start")
	result := killed(t, p, 1);lap("killed")
	check.Settle(t,p);lap("settle")
	check.Sessions(t,p);lap("sessions")
	check.Acked(t, result.Tokens, p);lap("acked")
	t.Cleanup(func(){lap("cleanup")})
	p.Term();lap("term")
	t.Log(p.Logs())
}
