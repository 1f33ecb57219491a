package rtc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"sort"
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
// to. A method belongs to the part of its receiver. Other files are shared.
var partOfFile = [][2]string{
	{"peerconnection", "connection"}, {"close.go", "connection"}, {"signal", "connection"}, {"wait.go", "connection"}, {"shutdown", "connection"},
	{"negotiation", "negotiation"}, {"transport", "transport"},
	{"channels", "channels"}, {"streams", "channels"}, {"unread", "channels"}, {"datachannel", "channels"},
	{"track", "tracks"}, {"websocket", "websocket"},
}

// partOfType maps the types that belong to another part than their file.
var partOfType = map[string]string{"PeerConnection": "connection", "DataChannel": "channels", "channelTable": "channels", "transport": "transport"}

func TestPartsReferOnlyToPartsBelow(t *testing.T) {
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	type declaration struct {
		part string
		name string
		node ast.Node
		file *ast.File
	}
	var all []declaration
	partOf := map[string]string{} // of package-level names
	filePart := func(name string) string {
		for _, r := range partOfFile {
			if strings.HasPrefix(name, r[0]) {
				return r[1]
			}
		}
		return "shared"
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, e.Name(), nil, 0)
		require.NoError(t, err)
		part := filePart(e.Name())
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					partOf[d.Name.Name] = part
				}
				all = append(all, declaration{part, d.Name.Name, d, file})
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if r := partOfType[s.Name.Name]; r != "" {
							part := r
							partOf[s.Name.Name] = part
							all = append(all, declaration{part, s.Name.Name, s, file})
							continue
						}
						partOf[s.Name.Name] = part
						all = append(all, declaration{part, s.Name.Name, s, file})
					case *ast.ValueSpec:
						for _, n := range s.Names {
							partOf[n.Name] = part
						}
						all = append(all, declaration{part, s.Names[0].Name, s, file})
					}
				}
			}
		}
	}
	for i, d := range all {
		if f, ok := d.node.(*ast.FuncDecl); ok && f.Recv != nil {
			receiver := f.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if id, ok := receiver.(*ast.Ident); ok {
				all[i].part, all[i].name = partOf[id.Name], id.Name+"."+d.name
			}
		}
	}
	var wrong []string
	for _, d := range all {
		// The parser resolves the names that are local to the function; it leaves those of other
		// files unresolved.
		keys := map[*ast.Ident]bool{}
		ast.Inspect(d.node, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok {
					keys[id] = true
				}
			case *ast.SelectorExpr:
				keys[n.Sel] = true
			case *ast.FuncDecl:
				keys[n.Name] = true
			case *ast.Field:
				for _, id := range n.Names {
					keys[id] = true
				}
			}
			return true
		})
		ast.Inspect(d.node, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok || keys[id] || id.Name == "_" {
				return true
			}
			if id.Obj != nil && (id.Obj.Kind == ast.Var || id.Obj.Kind == ast.Con) && id.Obj.Pos() >= d.node.Pos() && id.Obj.Pos() <= d.node.End() {
				return true // declared in d
			}
			below, known := partOf[id.Name]
			if !known || below == d.part {
				return true
			}
			for _, allowed := range partsBelow[d.part] {
				if allowed == below {
					return true
				}
			}
			wrong = append(wrong, fset.Position(id.Pos()).String()+": "+d.name+" ("+d.part+") refers to "+id.Name+" ("+below+")")
			return true
		})
	}
	sort.Strings(wrong)
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}
