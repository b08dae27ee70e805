export default function NewBook() {
  return (
    <main>
      <h1>Add a book</h1>
      <form method="post" action="/api/books">
        <label>Title <input name="title" /></label>
        <label>Author <input name="author" /></label>
        <label>Price <input name="price" /></label>
        <label>Stock <input name="stock" defaultValue="1" /></label>
        <button>Add</button>
      </form>
    </main>
  );
}
