package rtc

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// partsBelow names the parts of a PeerConnection and the parts that each may refer to; see
// ARCHITECTURE.md.
var partsBelow = map[string][]string{
	"connection":  {"negotiation", "transport", "channels", "tracks", "shared"},
	"negotiation": {"shared"},
	"transport":   {"shared"},
	"channels":    {"transport", "shared"},
	"tracks":      {"transport", "shared"},
	"websocket":   {"shared"},
	"shared":      {},
}

// partOfFile maps the beginnings of file names to the part that the declarations of the file belong
// to. A method and a field belong to the part of their type. Other files are shared.
var partOfFile = [][2]string{
	{"peerconnection", "connection"}, {"close.go", "connection"}, {"signal", "connection"},
	{"negotiation", "negotiation"}, {"transport", "transport"},
	{"channels", "channels"}, {"streams", "channels"}, {"unread", "channels"}, {"datachannel", "channels"},
	{"acknowledged", "channels"}, {"track", "tracks"}, {"websocket", "websocket"},
}

// emptyImporter imports packages without contents: the test is about the references inside this
// package, and to check all packages below it would take seconds.
type emptyImporter map[string]*types.Package

func (i emptyImporter) Import(path string) (*types.Package, error) {
	if i[path] == nil {
		name := path[strings.LastIndex(path, "/")+1:]
		if name == "v3" {
			name = "dtls"
		}
		i[path] = types.NewPackage(path, name)
		i[path].MarkComplete()
	}
	return i[path], nil
}

func TestPartsReferOnlyToPartsBelow(t *testing.T) {
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var files []*ast.File
	matched := make(map[string]bool)
	filePart := func(pos token.Pos) string {
		name := fset.Position(pos).Filename
		for _, r := range partOfFile {
			if strings.HasPrefix(name, r[0]) {
				matched[r[0]] = true
				return r[1]
			}
		}
		return "shared"
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		files = append(files, file)
		filePart(file.Pos())
	}
	for _, r := range partOfFile {
		require.True(t, matched[r[0]], "there is no file %s", r[0])
	}
	info := &types.Info{Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object)}
	config := types.Config{Importer: make(emptyImporter), Error: func(error) {}}
	pkg, _ := config.Check("rtc", fset, files, info) // the errors are about other packages

	// The part of each object of the package that is not local to a function.
	partOf := make(map[types.Object]string)
	for _, name := range pkg.Scope().Names() {
		o := pkg.Scope().Lookup(name)
		partOf[o] = filePart(o.Pos())
		if _, isType := o.(*types.TypeName); !isType {
			continue
		}
		named, ok := o.Type().(*types.Named)
		if !ok {
			continue
		}
		for i := range named.NumMethods() {
			partOf[named.Method(i)] = partOf[o]
		}
		if s, ok := named.Underlying().(*types.Struct); ok {
			for i := range s.NumFields() {
				partOf[s.Field(i)] = partOf[o]
			}
		}
	}
	references := 0
	var wrong []string
	for _, file := range files {
		for _, d := range file.Decls {
			part := filePart(d.Pos())
			if f, ok := d.(*ast.FuncDecl); ok {
				part = partOf[info.Defs[f.Name]]
			}
			ast.Inspect(d, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				if !ok {
					return true
				}
				o := info.Uses[id]
				switch generic := o.(type) {
				case *types.Func:
					o = generic.Origin()
				case *types.Var:
					o = generic.Origin()
				}
				below, known := partOf[o]
				if !known || below == part {
					return true
				}
				references++
				if !slices.Contains(partsBelow[part], below) {
					wrong = append(wrong, fmt.Sprintf("%v: %s refers to %s of %s", fset.Position(id.Pos()), part, id.Name, below))
				}
				return true
			})
		}
	}
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
	t.Logf("%d references between parts", references)
	require.Greater(t, references, 500, "references between parts are not found")
}
