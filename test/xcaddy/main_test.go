package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// One --with is enough: a build that names only the root package has every module.
func TestBuildHasTheModules(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "caddy")
	if err := build(t.Context(), filepath.Join("..", "..", "xcaddy.json"), binary); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "list-modules").CombinedOutput()
	if err != nil {
		t.Fatalf("list-modules: %v\n%s", err, out)
	}
	for _, module := range []string{"affiliate", "http.handlers.affiliate", "admin.api.affiliate"} {
		if !strings.Contains("\n"+string(out), "\n"+module+"\n") {
			t.Errorf("the build lacks the module %s", module)
		}
	}
}
