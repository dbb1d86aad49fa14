package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// shellBlock is a block fenced as sh.
var shellBlock = regexp.MustCompile("(?ms)^```sh\n(.*?)^```")

// shellIn returns the blocks of commands of a page, relative to the project's folder.
func shellIn(t *testing.T, page string) (blocks []string) {
	t.Helper()
	root, err := caddy.Root()
	must(t, err)
	text, err := os.ReadFile(filepath.Join(root, page))
	must(t, err)
	for _, m := range shellBlock.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// strictly goes before the commands: the first that fails ends them, and an answer of 4xx or 5xx is a failure.
const strictly = `set -eu -o pipefail
curl() { command curl --fail-with-body "$@"; }
caddy() { "$CADDY" "$@"; }
`

// shell runs commands as a person would type them into a terminal beside the process, and returns what they print.
func shell(t *testing.T, p *caddy.Process, commands string) string {
	t.Helper()
	cmd := exec.Command("bash", "-c", strictly+commands)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "CADDY_ADMIN="+p.Admin, "CADDY="+caddy.Binary(t), "HOME="+cmd.Dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s\n%s", err, commands, out.String(), errs.String())
	}
	return out.String()
}

// demo runs what `make run` runs.
func demo(t *testing.T) *caddy.Process {
	t.Helper()
	root, err := caddy.Root()
	must(t, err)
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "demo"), os.DirFS(filepath.Join(root, "demo"))))
	p := caddy.Start(t, exampleFile(t), caddy.In(dir))
	p.AwaitHealth()
	return p
}

// here puts this process's addresses into commands that were written for `make run`.
func here(p *caddy.Process, commands string) string {
	return strings.NewReplacer(
		"bin/caddy ", "caddy ", "localhost:8080", strings.TrimPrefix(p.URL, "http://"), "localhost:2019", p.Admin,
	).Replace(commands)
}

// The README's commands from click to commission end in the sale, with what it earns and why.
func TestReadmeCommands(t *testing.T) {
	p := demo(t)
	var commands string
	for _, block := range shellIn(t, "README.md") {
		if strings.Contains(block, "curl ") {
			commands += block
		}
	}
	if n := strings.Count(commands, "curl "); n != 5 {
		t.Fatalf("the README has %d curl commands, want 5:\n%s", n, commands)
	}
	out := shell(t, p, here(p, commands))
	for _, want := range []string{`"wage":999,`, `"affiliate":"Sara’s Blog"`, `"reason":"Sara’s Blog earns it: the visitor's last click was `} {
		if !strings.Contains(out, want) {
			t.Errorf("they print no %s:\n%s", want, out)
		}
	}
}

// before is what a reader of docs/api.md has at hand: the variables that its samples name.
const before = `api=localhost:8080/affiliate/v1 admin=localhost:2019/affiliate/v1
json='Content-Type: application/json'
number() { grep -o '"id": *[0-9]*' | head -n 1 | tr -dc 0-9; }
uuid() { cut -d '"' -f 4; }
make() { curl -sS $admin/$1 -H "$json" -d "$2"; }
auth="Authorization: Bearer $(make keys '{"name": "docs", "scopes": ["*", "privacy:read"]}' | grep -o 'aff_[^"]*')"
key_id=$(make keys '{"name": "old", "scopes": ["read"]}' | grep -o 'aff_[^"]*' | cut -d _ -f 2)
affiliate=$(make affiliates '{"name": "Old"}' | number)
campaign=$(make campaigns '{"name": "Old"}' | number)
link=$(make links '{"code": "old", "affiliate": "Older"}' | number)
customer=$(make customers '{"external_id": "old"}' | uuid)
id=$(make conversions '{"external_id": "old", "type": "buy", "amount": 9000, "currency": "EUR"}' | uuid)
curl -sS 'localhost:8080/?via=demo' -A Mozilla/5.0 -c jar -o /dev/null
token=$(awk '$6 == "aff" {print $7}' jar)
`

// Every command of docs/api.md succeeds, one after the other.
func TestAPICommands(t *testing.T) {
	p := demo(t)
	var commands string
	for _, block := range shellIn(t, "docs/api.md") {
		if !strings.Contains(block, "auth='Authorization: Bearer aff_…'") { // which a reader replaces
			commands += block
		}
	}
	if n := strings.Count(commands, "curl "); n < 20 {
		t.Fatalf("the page has %d curl commands", n)
	}
	shell(t, p, here(p, before+commands))
}
