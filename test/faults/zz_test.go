package faults
import ("testing";"github.com/caddy-affiliate/caddy-affiliate/test/caddy";"github.com/caddy-affiliate/caddy-affiliate/test/check")
func TestZZ(t *testing.T){
	bare := "http://:{$HTTP_PORT} {\n respond \"hello\"\n}\n"
	p := caddy.Start(t, bare)
	r:=clicks(p).Start()
	for range check.Times(20,200) { must(t,p.Reload(bare)) }
	t.Log(r.Stop())
}
