import Link from 'next/link';

export const metadata = { title: 'The Tally Bookshop' };
// Each page is made when it is asked for: it shows the records as they are.
export const dynamic = 'force-dynamic';

export default function Layout({ children }) {
  return (
    <html lang="en">
      <head>{process.env.SITE_SCRIPT ? <script src={process.env.SITE_SCRIPT} defer /> : null}</head>
      <body style={{ font: '16px/1.5 system-ui, sans-serif', maxWidth: '44rem', margin: '2rem auto', padding: '0 1rem' }}>
        <header>
          <Link href="/" prefetch={false}>The Tally Bookshop</Link> · <Link href="/books/new" prefetch={false}>add a book</Link>
        </header>
        {children}
        <footer>
          <a id="elsewhere" href={process.env.SITE_ELSEWHERE ?? 'https://www.example.com/'}>elsewhere</a>
        </footer>
      </body>
    </html>
  );
}
