// Command xcaddy builds Caddy with this plugin the way `xcaddy build` does, from xcaddy.json in the checkout's root:
//
//	go run ./xcaddy OUTPUT
//
// It builds what is in the checkout, published or not. The xcaddy command asks the module proxy for a plugin even where it
// is replaced by a folder, and an answer other than 404 ends the build; so a proxy of our own stands between.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./xcaddy OUTPUT")
		os.Exit(2)
	}
	if err := build(context.Background(), filepath.Join("..", "xcaddy.json"), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "xcaddy:", err)
		os.Exit(1)
	}
}

// build builds what the file describes into output. Paths of replacements are relative to the file's folder.
func build(ctx context.Context, file, output string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var builder xcaddy.Builder
	if err := json.Unmarshal(text, &builder); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	upstream, err := upstreamProxy(ctx)
	if err != nil {
		return err
	}
	proxy := httptest.NewServer(without(builder.Replacements, upstream))
	defer proxy.Close()
	builder.Env = append(os.Environ(), "GOPROXY="+proxy.URL)

	for i, r := range builder.Replacements {
		folder, err := filepath.Abs(filepath.Join(filepath.Dir(file), r.New.String()))
		if err != nil {
			return err
		}
		builder.Replacements[i] = xcaddy.NewReplace(r.Old.String(), folder)
	}
	return builder.Build(ctx, output)
}

// upstreamProxy is the first proxy that the go command would ask.
func upstreamProxy(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOPROXY").Output()
	if err != nil {
		return "", fmt.Errorf("asking for GOPROXY: %w", err)
	}
	first, _, _ := strings.Cut(strings.ReplaceAll(strings.TrimSpace(string(out)), "|", ","), ",")
	if !strings.HasPrefix(first, "http") {
		return "", fmt.Errorf("GOPROXY begins with %q, which is no proxy's address", first)
	}
	return strings.TrimSuffix(first, "/"), nil
}

// without is a module proxy that has what the upstream has, but for what is replaced.
func without(replaced []xcaddy.Replace, upstream string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, module := range replaced {
			if strings.HasPrefix(r.URL.Path, "/"+module.Old.String()+"/") {
				http.NotFound(w, r)
				return
			}
		}
		http.Redirect(w, r, upstream+r.URL.Path, http.StatusFound)
	})
}
