package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddytest"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// TestAdapt adapts each Caddyfile under testdata and compares it with the JSON that stands below it, or with the error.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, ok := strings.Cut(string(data), "----------\n")
			if want = strings.TrimSpace(want); !ok || want == "" {
				t.Fatal("the file has no expectation")
			}
			if strings.HasPrefix(want, "{") {
				if !caddytest.CompareAdapt(t, file, input, "caddyfile", want) {
					t.Error("the adapted configuration is another one")
				}
				return
			}
			adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), nil)
			if err == nil {
				t.Fatalf("no error, but\n%s", adapted)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error is\n%v\nwant\n%s", err, want)
			}
			if !strings.Contains(err.Error(), "at Caddyfile:") {
				t.Errorf("the error names no file and line: %v", err)
			}
		})
	}
}
