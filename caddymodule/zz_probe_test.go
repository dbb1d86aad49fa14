package caddymodule
import ("testing";"fmt";"net/http";"time";"github.com/caddyserver/caddy/v2")
func TestZZProbe(t *testing.T) {
	for _, pause := range []time.Duration{0, 20*time.Millisecond} {
	fails := 0
	s := newServer(t)
	c := s.adaptGlobal("", fmt.Sprintf("http://127.0.0.1:%d {\n respond bare\n}", s.site))
	for i := 0; i < 600; i++ {
		if pause > 0 && i > 150 { break }
		if err := caddy.Load(c, true); err != nil { t.Fatal(err) }
		time.Sleep(pause)
		r, _ := http.NewRequest("GET", fmt.Sprintf("http://127.0.0.1:%d/", s.site), nil)
		a, err := http.DefaultTransport.RoundTrip(r)
		if err != nil { fails++; continue }
		a.Body.Close()
	}
	t.Log(pause, fails)
	caddy.Stop()
	}
}
