// Package docs holds the test that what the documentation shows is what Caddy takes.
package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// Every sample is a whole Caddyfile: a reader copies it as it stands.
func TestSamplesAdapt(t *testing.T) {
	root, err := caddy.Root()
	if err != nil {
		t.Fatal(err)
	}
	samples := samplesIn(t, root)
	if len(samples) < 2 {
		t.Fatalf("found only %d samples", len(samples))
	}
	binary := caddy.Binary(t)
	for _, s := range samples {
		t.Run(s.where, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(file, []byte(s.text), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(binary, "adapt", "--config", file, "--adapter", "caddyfile").CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s\n%s", err, out, s.text)
			}
		})
	}
}

// The example and what a person copies are formatted as `caddy fmt` would.
func TestExampleIsFormatted(t *testing.T) {
	root, err := caddy.Root()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(caddy.Binary(t), "fmt", "--diff", filepath.Join(root, "Caddyfile.example")).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

type sample struct{ where, text string }

// samplesIn returns the example and every block fenced as caddyfile in README.md and docs/.
func samplesIn(t *testing.T, root string) []sample {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	samples := []sample{{"Caddyfile.example", read(t, filepath.Join(root, "Caddyfile.example"))}}
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		for _, block := range fenced(read(t, page)) {
			samples = append(samples, sample{filepath.Base(page), block})
		}
	}
	return samples
}

var fence = regexp.MustCompile("(?ms)^([ \t]*)```caddyfile[ \t]*\n(.*?)^[ \t]*```")

func fenced(page string) (blocks []string) {
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		blocks = append(blocks, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")[1:])
	}
	return blocks
}

func TestFenced(t *testing.T) {
	got := fenced("a\n```caddyfile\none {\n}\n```\n```sh\nno\n```\n- b\n  ```caddyfile\n  two\n  ```\n")
	if strings.Join(got, "|") != "one {\n}\n|two\n" {
		t.Errorf("finds %q", got)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
