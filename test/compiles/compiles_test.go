// Package compiles holds the test that our packages compile for systems that this machine is not.
package compiles

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"

	"github.com/caddy-affiliate/caddy-affiliate/test/caddy"
)

// Type-checking from source, with the bodies of others' functions left out, finds what a build would: it takes seconds
// where compiling all of Caddy for one more system takes minutes.
func TestCompilesElsewhere(t *testing.T) {
	root, err := caddy.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, goos := range []string{"darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			ours, err := packages.Load(&packages.Config{
				Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps | packages.NeedSyntax |
					packages.NeedTypes | packages.NeedTypesInfo | packages.NeedTypesSizes,
				Dir:       root,
				Env:       append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0"),
				ParseFile: parseOurs(root),
			}, "./...")
			if err != nil {
				t.Fatal(err)
			}
			if len(ours) < 5 {
				t.Fatalf("found only %d packages", len(ours))
			}
			for _, p := range ours {
				for _, err := range p.Errors {
					t.Error(err)
				}
			}
		})
	}
}

// parseOurs parses files below root whole, and of all others the declarations only.
func parseOurs(root string) func(*token.FileSet, string, []byte) (*ast.File, error) {
	return func(files *token.FileSet, name string, text []byte) (*ast.File, error) {
		file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err == nil && !strings.HasPrefix(name, root+string(os.PathSeparator)) {
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok {
					f.Body = nil
				}
			}
		}
		return file, err
	}
}
