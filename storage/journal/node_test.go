package journal

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAFolderKeepsItsName(t *testing.T) {
	name := func(dir string) string {
		t.Helper()
		j, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		return j.Node()
	}
	dir := t.TempDir()
	first := name(dir)
	if again := name(dir); len(first) != 36 || again != first {
		t.Errorf("the folder is %q, then %q", first, again)
	}
	if other := name(t.TempDir()); other == first {
		t.Errorf("two folders are %q", other)
	}
	if err := os.WriteFile(filepath.Join(dir, "node_id"), []byte("01\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh := name(dir)
	if again := name(dir); fresh == first || len(fresh) != 36 || again != fresh {
		t.Errorf("with a damaged name the folder is %q, then %q", fresh, again)
	}
}
