package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// luaModule is where Debian's libnginx-mod-http-lua puts it.
const luaModule = "/usr/lib/nginx/modules/ngx_http_lua_module.so"

// nginxLua is what people build by hand: nginx with Lua, which writes each click to Redis and waits for its answer before the cookie
// leaves. Nothing is fsynced, neither by nginx nor by Redis.
const nginxLua = `
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module ` + luaModule + `;
daemon off;
worker_processes 2;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 2048; }
http {
	access_log off;
	lua_package_path "/usr/share/lua/5.1/?.lua;;";
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	init_worker_by_lua_block { math.randomseed(ngx.now() * 1000 + ngx.worker.pid()) }
	server {
		listen 127.0.0.1:%d;
		location = /bare {
			return 200 "ok";
		}
		location / {
			content_by_lua_block {
				local id = string.format("%%08x%%08x%%08x%%08x", ngx.now() * 1000 %% 4294967296, math.random(0, 4294967295),
					math.random(0, 4294967295), math.random(0, 4294967295))
				local args = {"XADD", "clicks", "*", "id", id, "code", ngx.var.arg_via or "", "ip", ngx.var.remote_addr,
					"ua", ngx.var.http_user_agent or "", "q", ngx.var.args or "", "time", tostring(ngx.now())}
				local parts = {"*", #args, "\r\n"}
				for _, arg in ipairs(args) do
					parts[#parts + 1] = "$" .. #arg .. "\r\n" .. arg .. "\r\n"
				end
				local redis = ngx.socket.tcp()
				redis:settimeout(1000)
				local ok = redis:connect("127.0.0.1", %d)
				if ok and redis:send(table.concat(parts)) and redis:receive() and redis:receive() then
					redis:setkeepalive(10000, 256)
					ngx.header["Set-Cookie"] = "aff=" .. id .. "; Path=/; HttpOnly; Max-Age=2592000"
				else
					return ngx.exit(500)
				end
				ngx.print("ok")
			}
		}
	}
}
`

// startNginx starts nginx with Lua beside the Redis at that address, and returns its URL and what tells the processor time of its processes.
// ok is false where it is not installed; it is not needed for anything else.
func startNginx(b *testing.B, redis string) (url string, busy func() time.Duration, ok bool) {
	b.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	for _, file := range []string{program, luaModule} {
		if _, err := os.Stat(file); err != nil {
			return "", nil, false
		}
	}
	_, text, _ := strings.Cut(redis, ":")
	redisPort, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	dir, port := b.TempDir(), caddy.Port(b)
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxLua, port, redisPort), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(program, "-p", dir, "-c", config, "-e", filepath.Join(dir, "error.log"))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
	url = fmt.Sprintf("http://127.0.0.1:%d", port)
	awaitOK(b, url+"/?via=demo", filepath.Join(dir, "error.log"))
	return url, func() time.Duration { return childrenBusy(b, cmd.Process.Pid) }, true
}

// awaitOK waits until the address answers.
func awaitOK(b *testing.B, url, log string) {
	b.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if out, err := exec.Command("curl", "-sf", url).Output(); err == nil && string(out) == "ok" {
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			b.Fatalf("nginx does not answer: %s", text)
		}
	}
}

// childrenBusy is the processor time of a process's children.
func childrenBusy(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, child := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			b.Fatal(err)
		}
		sum += busyOf(b, n)
	}
	return sum
}

// besideNginx compares the processor time of a click, with what goes on in the background meanwhile, with that of nginx and Lua:
// in all, and what it is more than the same server's for a page without one.
func besideNginx(b *testing.B, click, page target, redis string) [][]string {
	b.Helper()
	const peers = "edge only (Redis relay) / nginx + Lua, synchronous and unsynced, 64 connections"
	whole, added := "CPU per click, fsynced, "+peers, "CPU that a click adds to a page, fsynced, "+peers
	url, busy, ok := startNginx(b, redis)
	if !ok {
		const missing = "nginx with Lua is not installed (apt-get install nginx libnginx-mod-http-lua)"
		return [][]string{{whole, "≤ 0.8", "", missing}, {added, "", "", missing}}
	}
	nginx := func(path string) float64 {
		before := busy()
		rate := wrk(b, 64, url+path, span)
		return float64((busy() - before).Microseconds()) / (rate * span.Seconds())
	}
	caddy := func(t target) float64 {
		_, took := t.load(b, 64)
		return took
	}
	var all, more, mine, plain, theirs, bare []float64
	for range rounds {
		plain = append(plain, caddy(page)) // first: the clicks of the round before are in Redis by now
		mine = append(mine, caddy(click))
		bare = append(bare, nginx("/bare"))
		theirs = append(theirs, nginx("/?via=demo"))
		n := len(mine) - 1
		all, more = append(all, mine[n]/theirs[n]), append(more, (mine[n]-plain[n])/(theirs[n]-bare[n]))
	}
	return [][]string{
		{whole, "≤ 0.8", fmt.Sprintf("%.2f", median(all)), fmt.Sprintf("CPU %.0f / %.0f µs each", median(mine), median(theirs))},
		{added, "", fmt.Sprintf("%.2f", median(more)), fmt.Sprintf("a page CPU %.0f / %.0f µs each", median(plain), median(bare))},
	}
}
