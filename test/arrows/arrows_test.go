// Package arrows holds the test that the packages depend on each other as the design draws it: downwards.
package arrows

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

const module = "github.com/caddy-affiliate/caddy-affiliate"

// below says which of our packages each of ours may import. A folder without a line follows the nearest above it that
// has one, and may import that one too. "" is the root.
var below = map[string][]string{
	"cmd/caddy":               {""},
	"":                        {"caddymodule"},
	"caddymodule":             {"engine", "api", "platform", "access", "forward", "storage", "tracker"},
	"engine":                  {"forward", "storage", "tracker"},
	"api":                     {"access", "tracker"},
	"platform":                {"access", "forward", "tracker"},
	"access":                  {"tracker"},
	"forward":                 {"storage", "tracker"},
	"storage/journal":         {"tracker"},
	"storage/relay":           {"tracker"},
	"storage/ledger":          {"tracker"},
	"storage/ledger/sqlite":   {"storage/ledger", "tracker"},
	"storage/ledger/postgres": {"storage/ledger", "tracker"},
	"tracker":                 {},
}

// caddyIsFor are the packages that may depend on Caddy, however indirectly.
var caddyIsFor = []string{"", "cmd/caddy", "caddymodule"}

func TestArrowsPointDown(t *testing.T) {
	packages := list(t, "{{.ImportPath}} {{join .Imports \" \"}}")
	if len(packages) < 5 {
		t.Fatalf("go list finds only %d packages", len(packages))
	}
	for importer, imports := range packages {
		for _, imported := range imports {
			if imported, ours := strings.CutPrefix(imported, module); ours && !mayImport(importer, strings.TrimPrefix(imported, "/")) {
				t.Errorf("%s imports %s", name(importer), name(strings.TrimPrefix(imported, "/")))
			}
		}
	}
}

func TestOnlyTheModuleKnowsCaddy(t *testing.T) {
	for importer, deps := range list(t, "{{.ImportPath}} {{join .Deps \" \"}}") {
		if slices.Contains(caddyIsFor, importer) {
			continue
		}
		for _, dep := range deps {
			if strings.HasPrefix(dep, "github.com/caddyserver/") {
				t.Errorf("%s depends on %s", name(importer), dep)
			}
		}
	}
}

func TestTheDomainNeedsNothing(t *testing.T) {
	for _, imported := range list(t, "{{.ImportPath}} {{join .Imports \" \"}}")["tracker"] {
		first, _, _ := strings.Cut(imported, "/")
		if strings.Contains(first, ".") && !strings.HasPrefix(imported, "golang.org/x/crypto/") {
			t.Errorf("tracker imports %s", imported)
		}
	}
}

func mayImport(importer, imported string) bool {
	if inside(imported, importer) {
		return importer != "forward" // which is told of its destinations, and does not know them
	}
	for folder := importer; ; folder = folder[:strings.LastIndex(folder, "/")] {
		if allowed, ok := below[folder]; ok {
			return imported == folder || slices.ContainsFunc(allowed, func(a string) bool {
				return imported == a || inside(imported, a)
			})
		}
		if !strings.Contains(folder, "/") {
			return false
		}
	}
}

func inside(pkg, folder string) bool {
	return folder != "" && (pkg == folder || strings.HasPrefix(pkg, folder+"/"))
}

func TestMayImport(t *testing.T) {
	for _, c := range []struct {
		importer, imported string
		want               bool
	}{
		{"engine", "storage/journal", true},
		{"forward", "tracker", true},
		{"caddymodule", "storage/ledger/sqlite", true},
		{"storage/ledger/ledgertest", "storage/ledger", true},
		{"platform/kraken", "forward", true},
		{"", "caddymodule", true},
		{"cmd/caddy", "", true},
		{"tracker", "storage/journal", false},
		{"storage/journal", "storage/ledger", false},
		{"storage/relay", "storage/journal", false},
		{"forward", "engine", false},
		{"forward", "forward/webhook", false},
		{"forward", "platform/kraken", false},
		{"api", "access", true},
		{"api", "platform/kraken", false},
		{"access", "api", false},
		{"engine", "caddymodule", false},
		{"newcomer", "tracker", false},
	} {
		if got := mayImport(c.importer, c.imported); got != c.want {
			t.Errorf("mayImport(%s, %s) = %t", name(c.importer), name(c.imported), got)
		}
	}
}

// list returns what go list prints of each of our packages, test files aside, by its path in the module.
func list(t *testing.T, format string) map[string][]string {
	t.Helper()
	root, err := caddy.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-f", format, "./...")
	cmd.Dir, cmd.Stderr, cmd.Env = root, os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	packages := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		packages[strings.TrimPrefix(strings.TrimPrefix(words[0], module), "/")] = words[1:]
	}
	return packages
}

func name(pkg string) string {
	if pkg == "" {
		return "the root package"
	}
	return pkg
}
